import { getEventListeners } from 'node:events';
import { withReplicaFallback } from 'kysely-replica-fallback';
import { expect, test } from 'vitest';
import { SCRIPTS, type ScriptedOutcome } from '../support/outcomes.ts';
import { AT_ONCE, misses, scriptClients, scriptNthAttempt } from '../support/scripted-clients.ts';

test.for<ScriptedOutcome>(['replica', 'replica_retry', 'primary', 'not_found', 'error'])(
  'leaves no listener on the signal when the outcome is %s',
  async (outcome) => {
    const { signal } = new AbortController();
    const { query, clients } = scriptClients(SCRIPTS[outcome]);
    const retryMs = { min: 1, max: 1 };

    await withReplicaFallback(query, { ...clients, signal, retryMs }).catch(() => {});

    expect(getEventListeners(signal, 'abort')).toEqual([]);
  },
);

test.for([1, 2, 3])('leaves no listener on a signal that aborts in attempt %i', async (n) => {
  const controller = new AbortController();
  const { signal } = controller;
  const never = () => {
    queueMicrotask(() => controller.abort());
    return new Promise(() => {});
  };
  const { query, clients } = scriptClients(scriptNthAttempt(n, never));

  await withReplicaFallback(query, { ...clients, signal, retryMs: AT_ONCE }).catch(() => {});

  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test('leaves no listener on a signal that aborts in the wait', async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const { query, clients } = scriptClients({ replica: [misses] });

  setImmediate(() => controller.abort());
  await withReplicaFallback(query, { ...clients, signal, retryMs: 60_000 }).catch(() => {});

  expect(getEventListeners(signal, 'abort')).toEqual([]);
});
