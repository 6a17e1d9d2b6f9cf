import { type ReadReport, thrown, withReplicaFallback } from 'kysely-replica-fallback';
import { createCatchUp } from 'kysely-replica-fallback/catch-up';
import { recordReads } from 'kysely-replica-fallback/testing';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { stopTheClock } from '../support/fake-clock.ts';
import { REPLICA_ERROR, ROW, SCRIPTS } from '../support/outcomes.ts';
import {
  gives,
  misses,
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

/** What a report says of a recovery that began with a miss. */
const recovery = (count: number, durationMs = 80) => ({
  recovery: { cause: 'miss', misses: count, failures: 0, durationMs },
});

test.for([
  { outcome: 'replica', attempts: 1, durationMs: 0 },
  { outcome: 'replica_retry', attempts: 2, durationMs: 80, ...recovery(1) },
  { outcome: 'primary', attempts: 3, durationMs: 80, ...recovery(2) },
  { outcome: 'not_found', attempts: 3, durationMs: 80, ...recovery(2) },
] as const)('reports $outcome, and no error, once', async (expected) => {
  const operation = 'order_by_id';

  const reports = await reportsOf(SCRIPTS[expected.outcome], { operation });

  expect(reports).toStrictEqual([{ operation, ...expected }]);
});

test.for([
  { failedDuring: 'replica', attempts: 1, durationMs: 0 },
  { failedDuring: 'replica_retry', attempts: 2, durationMs: 80, ...recovery(1) },
  { failedDuring: 'primary', attempts: 3, durationMs: 80, ...recovery(2) },
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
    { isMiss: thrown(() => true) },
  );

  expect(reports).toStrictEqual([
    {
      operation: undefined,
      outcome: 'not_found',
      attempts: 3,
      durationMs: 80,
      ...recovery(2),
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
      ...recovery(1, 20),
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

test('counts the misses and the failures of a recovery, and says which began it', async () => {
  const down = new Error('The replica is down.');
  const isUnavailable = (error: unknown) => error === down;
  const primary = [gives(ROW)];

  const [missFirst] = await reportsOf(
    { replica: [misses, throws(down)], primary },
    { isUnavailable },
  );
  const [failureOnly] = await reportsOf({ replica: [throws(down)], primary }, { isUnavailable });

  expect(missFirst).toMatchObject({
    recovery: { cause: 'miss', misses: 1, failures: 1, durationMs: 80 },
    replicaError: down,
  });
  expect(failureOnly).toMatchObject({
    recovery: { cause: 'failure', misses: 0, failures: 1, durationMs: 0 },
  });
});

test('times the recovery from the end of the first attempt', async () => {
  const [report] = await reportsOf({ replica: [slowly(30, undefined), gives(ROW)] });

  expect(report).toMatchObject({ durationMs: 110, recovery: { durationMs: 80 } });
});

/** As a test does that fakes the timers anew. */
async function setTheClockBack(): Promise<undefined> {
  vi.useFakeTimers();
}

test('never tells of a negative duration, although the clock was set back', async () => {
  const [report] = await reportsOf({ replica: [setTheClockBack, gives(ROW)] });

  expect(report?.durationMs).toBeGreaterThanOrEqual(0);
});

test('counts the time of the attempts into the duration', async () => {
  const [report] = await reportsOf({ replica: [slowly(30, ROW)] });

  expect(report?.durationMs).toBe(30);
});

test.for(['replica', 'replica_retry', 'primary', 'not_found', 'error'] as const)(
  'tells durations of %s in hundredths of a millisecond at most',
  async (outcome) => {
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => (now += 100 / 3));
    onTestFinished(() => void vi.restoreAllMocks());

    const [report] = await reportsOf(SCRIPTS[outcome]);

    const durations = [report?.durationMs, report?.recovery?.durationMs ?? 0];
    expect(durations).toEqual(durations.map((ms) => Number(ms?.toFixed(2))));
    expect(report?.durationMs).toBeGreaterThan(33);
  },
);

test('tells how long a read waited for a replica in hundredths of a millisecond at most', async () => {
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => (now += 1 / 3));
  onTestFinished(() => void vi.restoreAllMocks());
  const catchUp = createCatchUp<object>({
    position: async () => '1',
    replayed: async () => '1',
    compare: () => 'reached',
    runAt: (replica, _position, query) => query(replica),
  });

  const [report] = await reportsOf({ replica: [misses, gives(ROW)] }, { catchUp });

  const waitMs = report?.recovery?.catchUp?.waitMs;
  expect(waitMs).toBeGreaterThan(0);
  expect(waitMs).toBe(Number(waitMs?.toFixed(2)));
});
