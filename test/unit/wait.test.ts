import { withReplicaFallback } from 'kysely-replica-fallback';
import { beforeEach, expect, test, vi } from 'vitest';
import { stopTheClock } from '../support/fake-clock.ts';
import { REPLICA_ERROR, ROW, SCRIPTS, type ScriptedOutcome } from '../support/outcomes.ts';
import {
  gives,
  misses,
  scriptClients,
  scriptNthAttempt,
  throws,
} from '../support/scripted-clients.ts';

beforeEach(stopTheClock);

test('asks the replica again after exactly the delay, not a millisecond before', async () => {
  const { query, asked, clients } = scriptClients(SCRIPTS.replica_retry);
  const read = withReplicaFallback(query, { ...clients, retryMs: { min: 80, max: 80 } });

  await vi.advanceTimersByTimeAsync(79);
  expect(asked).toEqual(['replica as replica']);
  await vi.advanceTimersByTimeAsync(1);
  expect(asked).toEqual(['replica as replica', 'replica as replica_retry']);
  expect(await read).toBe(ROW);
});

test('waits from 50 to 200 ms by default', async () => {
  const { query, asked, clients } = scriptClients(SCRIPTS.replica_retry);
  const read = withReplicaFallback(query, clients);

  await vi.advanceTimersByTimeAsync(49);
  expect(asked).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(151);
  expect(asked).toHaveLength(2);
  expect(await read).toBe(ROW);
});

test('asks the primary without a second wait', async () => {
  const { query, asked, clients } = scriptClients(SCRIPTS.primary);
  const read = withReplicaFallback(query, { ...clients, retryMs: { min: 80, max: 80 } });

  await vi.advanceTimersByTimeAsync(80);

  expect(asked).toHaveLength(3);
  expect(await read).toBe(ROW);
});

test.for<ScriptedOutcome>(['replica', 'replica_retry', 'primary', 'not_found', 'error'])(
  'leaves no timer behind when the outcome is %s',
  async (outcome) => {
    const { query, clients } = scriptClients(SCRIPTS[outcome]);
    const read = withReplicaFallback(query, clients).catch(() => {});

    await vi.advanceTimersByTimeAsync(200);
    await read;

    expect(vi.getTimerCount()).toBe(0);
  },
);

test.for([
  { when: 'the replica has the row', script: { replica: [gives(ROW)] } },
  { when: 'the replica fails', script: { replica: [throws(REPLICA_ERROR)] } },
  { when: 'there is no retry', script: { replica: [misses], primary: [gives(ROW)] } },
])('waits for no timer when $when', async ({ script }) => {
  const { query, clients } = scriptClients(script);

  await withReplicaFallback(query, { ...clients, retryMs: 0 }).catch(() => {});

  expect(vi.getTimerCount()).toBe(0);
});

test('ends the wait at once when the signal aborts, and takes its timer away', async () => {
  const controller = new AbortController();
  const { query, asked, clients } = scriptClients(scriptNthAttempt(3, gives(ROW)));
  const read = withReplicaFallback(query, { ...clients, signal: controller.signal });
  await vi.advanceTimersByTimeAsync(20);
  expect(vi.getTimerCount()).toBe(1);

  controller.abort('no longer needed');

  await expect(read).rejects.toBe('no longer needed');
  expect(vi.getTimerCount()).toBe(0);
  expect(asked).toHaveLength(1);
});
