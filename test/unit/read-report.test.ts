import { type ReadReport, withReplicaFallback } from 'kysely-replica-fallback';
import { recordReads } from 'kysely-replica-fallback/testing';
import { beforeEach, expect, test, vi } from 'vitest';
import { stopTheClock } from '../support/fake-clock.ts';
import { REPLICA_ERROR, ROW, SCRIPTS } from '../support/outcomes.ts';
import {
  type Script,
  scriptClients,
  scriptNthAttempt,
  slowly,
  throws,
} from '../support/scripted-clients.ts';

beforeEach(stopTheClock);

/** The reports of one read that waits 80 ms after a miss. */
async function reportsOf(script: Script, options: object = {}): Promise<readonly ReadReport[]> {
  const { reports, onOutcome } = recordReads();
  const { query, clients } = scriptClients(script);
  const retryMs = { min: 80, max: 80 };
  const read = withReplicaFallback(query, { ...clients, retryMs, onOutcome, ...options });
  await Promise.all([read.catch(() => {}), vi.runAllTimersAsync()]);
  return reports;
}

test.for([
  { outcome: 'replica', attempts: 1, durationMs: 0 },
  { outcome: 'replica_retry', attempts: 2, durationMs: 80 },
  { outcome: 'primary', attempts: 3, durationMs: 80 },
  { outcome: 'not_found', attempts: 3, durationMs: 80 },
] as const)('reports $outcome, and no error, once', async (expected) => {
  const operation = 'order_by_id';

  const reports = await reportsOf(SCRIPTS[expected.outcome], { operation });

  expect(reports).toStrictEqual([{ operation, ...expected }]);
});

test.for([
  { failedDuring: 'replica', attempts: 1, durationMs: 0 },
  { failedDuring: 'replica_retry', attempts: 2, durationMs: 80 },
  { failedDuring: 'primary', attempts: 3, durationMs: 80 },
])('reports an error of $failedDuring, with the very error, once', async (expected) => {
  const reports = await reportsOf(scriptNthAttempt(expected.attempts, throws(REPLICA_ERROR)));

  expect(reports).toStrictEqual([
    { operation: undefined, outcome: 'error', ...expected, error: REPLICA_ERROR },
  ]);
  expect(reports[0]?.error).toBe(REPLICA_ERROR);
});

test('reports not_found, and the error, when the primary throws to say so', async () => {
  const absent = throws(REPLICA_ERROR);

  const reports = await reportsOf(
    { replica: [absent, absent], primary: [absent] },
    { isMiss: () => true },
  );

  expect(reports).toStrictEqual([
    {
      operation: undefined,
      outcome: 'not_found',
      attempts: 3,
      durationMs: 80,
      failedDuring: 'primary',
      error: REPLICA_ERROR,
    },
  ]);
});

test('reports the error even when it is `undefined`', async () => {
  const [report] = await reportsOf({ replica: [throws(undefined)] });

  expect(report).toHaveProperty('error', undefined);
  expect(report).toHaveProperty('failedDuring', 'replica');
});

test('reports the attempt before the wait when the signal aborts in the wait', async () => {
  const controller = new AbortController();
  setTimeout(() => controller.abort('no longer needed'), 20);

  const reports = await reportsOf(SCRIPTS.primary, { signal: controller.signal });

  expect(reports).toStrictEqual([
    {
      operation: undefined,
      outcome: 'error',
      attempts: 1,
      durationMs: 20,
      failedDuring: 'replica',
      error: 'no longer needed',
    },
  ]);
});

test.for(['replica', 'primary', 'error'] as const)(
  'reports %s before the promise of the read settles',
  async (outcome) => {
    const order: string[] = [];
    const { query, clients } = scriptClients(SCRIPTS[outcome]);
    const onOutcome = () => void order.push('report');
    const settled = () => order.push('settled');

    const read = withReplicaFallback(query, { ...clients, onOutcome }).then(settled, settled);
    await vi.runAllTimersAsync();
    await read;

    expect(order).toEqual(['report', 'settled']);
  },
);

test('counts the time of the attempts into the duration', async () => {
  const [report] = await reportsOf({ replica: [slowly(30, ROW)] });

  expect(report?.durationMs).toBe(30);
});
