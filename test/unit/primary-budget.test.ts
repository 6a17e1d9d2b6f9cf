import {
  attempted,
  createPrimaryBudget,
  InvalidOptionError,
  type PrimaryBudget,
  PrimaryBudgetExceededError,
  withReplicaFallback,
} from 'kysely-replica-fallback';
import { recordReads } from 'kysely-replica-fallback/testing';
import { beforeEach, expect, test, vi } from 'vitest';
import { stopTheClock } from '../support/fake-clock.ts';
import { inMemoryMetrics } from '../support/in-memory-metrics.ts';
import { spanEventsOf } from '../support/in-memory-span.ts';
import { REPLICA_ERROR, ROW } from '../support/outcomes.ts';
import { recordingLogger } from '../support/recording-logger.ts';
import {
  type Answer,
  gives,
  misses,
  type Script,
  scriptClients,
  throws,
} from '../support/scripted-clients.ts';

beforeEach(stopTheClock);

/** How many of so many reads in a row may spill, when each of them wants to. */
function spill(budget: PrimaryBudget, reads: number): number {
  let spills = 0;
  for (let i = 0; i < reads; i++) {
    budget.deposit();
    if (budget.withdraw()) spills++;
  }
  return spills;
}

/** How many spills there are in it. */
function drain(budget: PrimaryBudget): number {
  let spills = 0;
  while (budget.withdraw()) spills++;
  return spills;
}

/** A budget that has nothing left. */
function emptyBudget(): PrimaryBudget {
  return createPrimaryBudget({ ratio: 0, minPerSecond: 0 });
}

test('lets a fifth of the reads spill, and ten at once, by default', () => {
  expect(spill(createPrimaryBudget(), 1000)).toBe(10 + 200);
});

test.for([0.1, 0.2, 0.25, 0.3, 0.7, 1])('lets %f of the reads spill', (ratio) => {
  const budget = createPrimaryBudget({ ratio, minPerSecond: 0 });
  expect(budget.withdraw()).toBe(true); // which it starts with

  expect(spill(budget, 1000)).toBe(1000 * ratio);
});

/** The table in the documents. */
test.for<[reads: number, spills: number]>([
  [10, 10],
  [50, 20],
  [100, 30],
  [1000, 210],
])('of %i reads a second that all want to spill, the default lets %i', ([reads, spills]) => {
  const budget = createPrimaryBudget();
  const inSecond = () => {
    let spilled = 0;
    for (let i = 0; i < reads; i++) {
      vi.advanceTimersByTime(1000 / reads);
      spilled += spill(budget, 1);
    }
    return spilled;
  };
  inSecond(); // of which it had saved something

  const seconds = Array.from({ length: 10 }, inSecond);

  expect(Math.round(seconds.reduce((sum, each) => sum + each) / 10)).toBe(spills);
});

test('lets as many a second spill as it says, however few reads there are', () => {
  const budget = createPrimaryBudget({ ratio: 0, minPerSecond: 4 });
  expect(spill(budget, 100)).toBe(4);

  vi.advanceTimersByTime(249);
  expect(spill(budget, 100)).toBe(0);
  vi.advanceTimersByTime(1);
  expect(spill(budget, 100)).toBe(1);
  vi.advanceTimersByTime(1000);
  expect(spill(budget, 100)).toBe(4);
});

test('saves up what the reads of a second put in, however long nothing spills', () => {
  const budget = createPrimaryBudget({ ratio: 0.5, minPerSecond: 4 });

  for (let second = 0; second < 3600; second++) {
    for (let i = 0; i < 10; i++) budget.deposit();
    vi.advanceTimersByTime(1000);
  }

  expect(drain(budget)).toBe(4 + 5);
});

test('counts days in which nothing spilled as one second of them, on average', () => {
  const budget = createPrimaryBudget({ ratio: 0.5, minPerSecond: 4 });
  for (let i = 0; i < 24 * 3600; i++) budget.deposit();

  vi.advanceTimersByTime(4 * 24 * 3600 * 1000);

  expect(drain(budget)).toBe(Math.floor(4 + 0.5 / 4));
});

test('loses nothing to a clock that is set back, and keeps its bounds', () => {
  const budget = createPrimaryBudget({ ratio: 0.5, minPerSecond: 4 });
  for (let i = 0; i < 100; i++) budget.deposit();

  vi.useFakeTimers({ now: 0 });
  expect(performance.now()).toBe(0);
  expect(drain(budget)).toBe(4);

  vi.advanceTimersByTime(250);
  expect(drain(budget)).toBe(1);
});

test('forgets the reads of the second before the last', () => {
  const budget = createPrimaryBudget({ ratio: 0.5, minPerSecond: 4 });
  for (let i = 0; i < 100; i++) budget.deposit();
  vi.advanceTimersByTime(1000);
  expect(budget.withdraw()).toBe(true);

  vi.advanceTimersByTime(1000);

  expect(drain(budget)).toBe(4);
});

test('lets the reads of one moment pay for the misses among them', () => {
  const budget = createPrimaryBudget({ ratio: 0.2, minPerSecond: 0 });

  for (let i = 0; i < 100; i++) budget.deposit();

  expect(drain(budget)).toBe(1 + 20);
});

test('lets a second with less than one spill save up for one', () => {
  const budget = createPrimaryBudget({ ratio: 0, minPerSecond: 0.5 });
  expect(spill(budget, 10)).toBe(1);

  vi.advanceTimersByTime(1000);
  expect(spill(budget, 10)).toBe(0);
  vi.advanceTimersByTime(1000);
  expect(spill(budget, 10)).toBe(1);
});

test.for([0.25, 1])('starts with one spill, when both are %f', (both) => {
  expect(drain(createPrimaryBudget({ ratio: both, minPerSecond: both }))).toBe(1);
});

test('lets nothing spill when both are 0', () => {
  expect(spill(emptyBudget(), 10)).toBe(0);
});

test.for([
  { bad: { ratio: 1.1 }, message: 'Expected `ratio` to be a number from 0 to 1, got 1.1.' },
  { bad: { ratio: -0.1 }, message: 'Expected `ratio` to be a number from 0 to 1, got -0.1.' },
  { bad: { ratio: '20%' }, message: 'Expected `ratio` to be a number from 0 to 1, got "20%".' },
  { bad: { ratio: '0.2' }, message: 'Expected `ratio` to be a number from 0 to 1, got "0.2".' },
  { bad: { ratio: Number.NaN }, message: 'Expected `ratio` to be a number from 0 to 1, got NaN.' },
  {
    bad: { minPerSecond: -1 },
    message: 'Expected `minPerSecond` to be a finite number of at least 0, got -1.',
  },
  {
    bad: { minPerSecond: Infinity },
    message: 'Expected `minPerSecond` to be a finite number of at least 0, got Infinity.',
  },
  { bad: null, message: 'Expected `options` to be an object, got null.' },
])('says: $message', ({ bad, message }) => {
  const create = () => createPrimaryBudget(bad as never);

  expect(create).toThrow(InvalidOptionError);
  expect(create).toThrow(message);
});

const isUnavailable = (error: unknown): boolean => error === REPLICA_ERROR;

test.for<{ what: string; replica: Answer; attempt: object; cause: unknown }>([
  {
    what: 'the error of a failure',
    replica: throws(REPLICA_ERROR),
    attempt: { ok: false, error: REPLICA_ERROR, source: 'replica' },
    cause: REPLICA_ERROR,
  },
  {
    what: 'the answer that was a miss',
    replica: misses,
    attempt: { ok: true, value: undefined, source: 'replica' },
    cause: undefined,
  },
])('rejects at once, with $what, when the budget is used up', async (expected) => {
  const { replica, attempt, cause } = expected;
  const { query, asked, clients } = scriptClients({ replica: [replica] });
  const { meter, collect } = inMemoryMetrics();
  const { reports, onOutcome } = recordReads();
  const logger = recordingLogger();
  const options = { meter, logger, onOutcome, retryMs: 0, isUnavailable };
  let error: unknown;

  const events = await spanEventsOf(async () => {
    const read = withReplicaFallback(query, {
      ...clients,
      ...options,
      primaryBudget: emptyBudget(),
    });
    error = await read.catch((reason: unknown) => reason);
  });

  expect(error).toBeInstanceOf(PrimaryBudgetExceededError);
  expect(error).toMatchObject({
    name: 'PrimaryBudgetExceededError',
    message: 'The read needs the primary, and its `primaryBudget` has no spill left.',
    attempt,
  });
  expect((error as Error).cause).toBe(cause);
  expect(asked).toEqual(['replica as replica']);

  const { 'replica_fallback.reads': reads, ...others } = await collect();
  expect(reads?.points).toEqual([[{ outcome: 'rejected' }, 1]]);
  expect(Object.keys(others)).toEqual(['replica_fallback.recovery.duration']);
  expect(events).toMatchObject([{ attributes: { outcome: 'rejected', attempts: 1 } }]);
  expect(reports).toMatchObject([
    { outcome: 'rejected', attempts: 1, failedDuring: 'replica', error },
  ]);
  expect(logger.lines).toMatchObject([{ level: 'error' }]);
});

test('takes no error that was a miss for the cause, because it may name the row', async () => {
  const { query, clients } = scriptClients({ replica: [throws(REPLICA_ERROR)] });
  const options = {
    ...clients,
    retryMs: 0,
    isMiss: attempted(() => true),
    primaryBudget: emptyBudget(),
  };

  const error: unknown = await withReplicaFallback(query, options).catch((reason) => reason);

  expect(error).toMatchObject({ attempt: { error: REPLICA_ERROR } });
  expect(error).not.toHaveProperty('cause');
});

test.for<{ what: string; script: Script; options?: object }>([
  { what: 'a hit', script: { replica: [gives(ROW)] } },
  { what: 'a hit after the wait', script: { replica: [misses, gives(ROW)] } },
  { what: 'an error', script: { replica: [throws(REPLICA_ERROR)] } },
  { what: 'a bypass', script: { primary: [gives(ROW)] }, options: { enabled: false } },
])('takes nothing out for $what', async ({ script, options }) => {
  const { query, clients } = scriptClients(script);
  const budget = createPrimaryBudget({ ratio: 0, minPerSecond: 1 });
  const retryMs = { delays: () => [0] };
  const read = withReplicaFallback(query, {
    ...clients,
    ...options,
    retryMs,
    primaryBudget: budget,
  });

  read.catch(() => {});
  await vi.advanceTimersByTimeAsync(0);

  expect(drain(budget)).toBe(1);
});

test.for([0, 1])('takes nothing out for a read that was aborted, with %i left', async (left) => {
  const { query, asked, clients } = scriptClients({ replica: [misses] });
  const { reports, onOutcome } = recordReads();
  const primaryBudget = createPrimaryBudget({ ratio: 0, minPerSecond: left });
  const controller = new AbortController();

  const read = withReplicaFallback(query, {
    ...clients,
    retryMs: 0,
    primaryBudget,
    onOutcome,
    signal: controller.signal,
    isMiss: () => {
      controller.abort('no longer needed');
      return true;
    },
  });

  await expect(read).rejects.toBe('no longer needed');
  expect(drain(primaryBudget)).toBe(left);
  expect(reports).toMatchObject([{ outcome: 'error', failedDuring: 'replica' }]);
  expect(asked).toEqual(['replica as replica']);
});

test.for<{ what: string; replica: Answer[] }>([
  { what: 'a hit', replica: [gives(ROW)] },
  { what: 'a hit after the wait', replica: [misses, gives(ROW)] },
  { what: 'an error', replica: [throws(REPLICA_ERROR)] },
])('is paid for by $what', async ({ replica }) => {
  const { query, clients } = scriptClients({ replica });
  const primaryBudget = createPrimaryBudget({ ratio: 1, minPerSecond: 0 });
  expect(drain(primaryBudget)).toBe(1); // which it starts with

  const read = withReplicaFallback(query, {
    ...clients,
    retryMs: { delays: () => [0] },
    primaryBudget,
  });
  read.catch(() => {});
  await vi.advanceTimersByTimeAsync(0);

  expect(drain(primaryBudget)).toBe(1);
});

test('shares one budget between all reads that have it', async () => {
  const primaryBudget = createPrimaryBudget({ ratio: 0.2, minPerSecond: 0 });
  const outcomes = { replica: 0, primary: 0, rejected: 0 };
  const read = async (replica: Answer) => {
    const { query, clients } = scriptClients({ replica: [replica], primary: [gives(ROW)] });
    await withReplicaFallback(query, {
      ...clients,
      retryMs: 0,
      primaryBudget,
      onOutcome: ({ outcome }) => void outcomes[outcome as keyof typeof outcomes]++,
    }).catch(() => {});
  };

  await Promise.all(Array.from({ length: 80 }, () => read(gives(ROW))));
  await Promise.all(Array.from({ length: 20 }, () => read(misses)));
  expect(outcomes).toEqual({ replica: 80, primary: 20, rejected: 0 });

  // One is left, that it started with, and five more reads pay for another one.
  await Promise.all(Array.from({ length: 5 }, () => read(misses)));
  expect(outcomes).toEqual({ replica: 80, primary: 20 + 2, rejected: 3 });
});

test.for([null, {}, 0.2, { deposit() {} }])('refuses %o for `primaryBudget`', async (bad) => {
  const { query, clients } = scriptClients({});
  const options = { ...clients, primaryBudget: bad as never };

  await expect(withReplicaFallback(query, options)).rejects.toMatchObject({
    option: 'primaryBudget',
    expected: 'a budget, by `createPrimaryBudget()`',
    given: bad,
  });
});

test('refuses a budget that answers by a promise, which would let everything through', async () => {
  const { query, clients, asked } = scriptClients({ replica: [misses] });
  const primaryBudget = { deposit() {}, withdraw: (async () => false) as never };

  await expect(
    withReplicaFallback(query, { ...clients, retryMs: 0, primaryBudget }),
  ).rejects.toMatchObject({
    option: 'primaryBudget.withdraw',
    expected: 'a function that returns a boolean',
  });
  expect(asked).toEqual(['replica as replica']);
});

test('what a budget of your own throws ends a hit, which is reported, logged and counted as one that failed', async () => {
  const broken = new Error('The budget is broken.');
  const { query, clients } = scriptClients({ replica: [gives(ROW)] });
  const { reports, onOutcome } = recordReads();
  const logger = recordingLogger();
  const { meter, collect } = inMemoryMetrics();
  const primaryBudget = {
    deposit() {
      throw broken;
    },
    withdraw: () => true,
  };

  const read = withReplicaFallback(query, { ...clients, primaryBudget, onOutcome, logger, meter });

  await expect(read).rejects.toBe(broken);
  const [report] = reports;
  expect(reports).toEqual([
    { outcome: 'error', attempts: 1, durationMs: 0, failedDuring: 'replica', error: broken },
  ]);
  expect(logger.lines).toEqual([{ level: 'error', message: 'A read failed.', fields: report }]);
  expect((await collect())['replica_fallback.reads']?.points).toEqual([[{ outcome: 'error' }, 1]]);
});
