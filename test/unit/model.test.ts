import type { Meter } from '@opentelemetry/api';
import * as fc from 'fast-check';
import {
  PrimaryBudgetExceededError,
  type ReadReport,
  ReplicaTimeoutError,
} from 'kysely-replica-fallback';
import { beforeEach, expect, test, vi } from 'vitest';
import { stopTheClock } from '../support/fake-clock.ts';
import { type InMemoryMetrics, inMemoryMetrics } from '../support/in-memory-metrics.ts';
import {
  type Answer,
  BEYOND,
  type Ending,
  NEWEST,
  OLD,
  predict,
  type Prediction,
  type Scenario,
} from '../support/ladder-model.ts';
import {
  type Circumstances,
  CLASSIFIER_ERROR,
  countTimers,
  Down,
  PICKER_ERROR,
  runScenario,
} from '../support/run-scenario.ts';
import { unhandledRejectionsOf } from '../support/unhandled-rejections.ts';

const SEED = Number(process.env['KYSELY_REPLICA_FALLBACK_TEST_SEED'] ?? Date.now() % 2 ** 31);
/** In batches, because all scenarios of one share the clock, and run in the time of one. */
const BATCHES = 200;
const BATCH = 100;
const NEVER = Infinity;
/** On the clock of a batch, before it counts as hanging. */
const MOST_STEPS = 1e6;

type Given = number | 'now' | undefined;

const BROKEN_OFF = new Set<Ending>(['reason', 'picker']);

const noResult = () => Object.assign(new Error('no result'), { node: {} });
const aborted = () => Object.assign(new Error('aborted'), { name: 'AbortError' });

const answer: fc.Arbitrary<Answer> = fc.oneof(
  { arbitrary: answers('row', fc.anything().filter(isRow)), weight: 3 },
  { arbitrary: answers('nothing', fc.constantFrom(undefined, null)), weight: 6 },
  answers('no result', fc.constant(0).map(noResult)),
  {
    arbitrary: answers(
      'down',
      fc.string().map((message) => new Down(message)),
    ),
    weight: 4,
  },
  answers(
    'error',
    fc.string().map((message) => new TypeError(message)),
  ),
  answers('not an error', fc.constantFrom(undefined, null, 0, 'text', false)),
  answers('abort', fc.constant(0).map(aborted)),
);

/**
 * No two things happen at the same time, so that it is clear which one is first: queries end at hundreds of milliseconds,
 * time-outs 50 later, aborts 7, and each replica catches up at a moment of its own.
 */
const scenario: fc.Arbitrary<Scenario> = fc.record({
  replicas: fc
    .array(
      fc.record({
        catchesUpAt: fc.constantFrom(0, 400, 1_400, NEVER),
        tells: fc.constantFrom(true, true, true, false),
      }),
      { minLength: 1, maxLength: 4 },
    )
    .map((replicas) =>
      replicas.map(({ catchesUpAt, tells }, index) => ({
        catchesUpAt: catchesUpAt === 0 ? 0 : catchesUpAt + 15 + 10 * index,
        tells,
      })),
    ),
  aborts: fc.array(
    fc.constantFrom(NEVER, NEVER, NEVER, 0, 107, 407, 1_007, 1_407, 50_007, 150_007),
    {
      minLength: 1,
      maxLength: 3,
    },
  ),
  answers: fc.array(answer, { minLength: 1, maxLength: 8 }),
  primaryAnswers: fc.array(answer, { minLength: 1, maxLength: 3 }),
  picks: fc.constantFrom('none', 'none', 'last', 'last', 'throws'),
  isBypassed: fc.integer({ min: 0, max: 19 }).map((number) => number === 0),
  isMiss: fc.constantFrom('default', 'default', 'default', 'undefined only', 'throws'),
  knowsDown: fc.boolean(),
  replicaTimeoutMs: fc.constantFrom(undefined, 150),
  delays: fc.array(fc.constantFrom(1_000, 2_000), { maxLength: 3 }),
  hasSpill: fc.constantFrom(undefined, true, false),
  isCoalesced: fc.boolean(),
  catchUp: fc.option(
    fc.record({
      primary: fc.constantFrom('tells', 'tells', 'tells', 'fails', 'hangs'),
      after: fc.constantFrom<Given>(undefined, undefined, OLD, NEWEST, BEYOND, 'now'),
    }),
    { nil: undefined },
  ),
});

const circumstances: fc.Arbitrary<Circumstances> = fc.record({
  waitOnServer: fc.boolean(),
  obeysSignal: fc.boolean(),
});

/** How a read that waits for replicas learns that one is there takes time, if it has to ask again and again. */
function isTimed({ catchUp, aborts }: Scenario, { waitOnServer }: Circumstances): boolean {
  return catchUp === undefined || (waitOnServer && aborts.length === 1);
}

/**
 * Where times are not exact, nothing may depend on them. A read with `after` knows early where the primary is, and so gives up a
 * little earlier on replicas that do not make it, if its first attempt takes time.
 */
function simplified(told: Scenario, how: Circumstances): Scenario {
  const timed = isTimed(told, how);
  if (timed && told.catchUp?.after === undefined) return told;
  const atOnce = { ...told, answers: told.answers.map((each) => ({ ...each, takesMs: 0 })) };
  if (timed) return atOnce;
  return {
    ...atOnce,
    aborts: told.aborts.map((at) => (at > 0 && at < 50_000 ? NEVER : at)),
    replicas: told.replicas.map(({ catchesUpAt, tells }) => ({
      catchesUpAt: catchesUpAt > 0 && catchesUpAt < NEVER ? 415 : catchesUpAt,
      tells,
    })),
  };
}

beforeEach(stopTheClock);

test(
  `climbs the ladder as the model does, in ${BATCHES * BATCH} scenarios (seed ${SEED})`,
  { timeout: 300_000, retry: 0 },
  async () => {
    const batches = fc.asyncProperty(
      fc.array(fc.tuple(scenario, circumstances), { minLength: BATCH, maxLength: BATCH }),
      async (batch) => {
        const metrics = inMemoryMetrics();
        let predicted: string[] = [];
        const unhandled = await unhandledRejectionsOf(async () => {
          const checks = batch.map(([told, how]) =>
            check(simplified(told, how), how, metrics.meter),
          );
          const running = new Set(checks);
          void Promise.allSettled(checks).then(() => running.clear());
          for (let step = 0; running.size > 0 && step < MOST_STEPS; step++) {
            await vi.advanceTimersToNextTimerAsync();
          }
          expect(running.size).toBe(0);
          expect(vi.getTimerCount()).toBe(countTimers());
          predicted = (await Promise.all(checks)).flat();
        });
        expect(unhandled).toEqual([]);
        expect(await countedBy(metrics)).toEqual(tally(predicted));
      },
    );
    // Leaves time to say what it has found.
    const limit = { interruptAfterTimeLimit: 240_000, markInterruptAsFailure: true };
    await fc.assert(batches, { seed: SEED, numRuns: BATCHES, ...limit });
  },
);

/** Runs a scenario for real, and compares all that came of it with what the model says. */
async function check(told: Scenario, how: Circumstances, meter: Meter): Promise<string[]> {
  const observed = await runScenario(told, how, meter);
  const predictions = predict(told, observed.choices);
  const isExact = isTimed(told, how);
  for (const [number, prediction] of predictions.entries()) {
    const read = observed.reads[number]!;
    const { attempts, primaryQueries, ending, replicaError, report } = prediction;
    expect({ attempts: read.attempts, primaryQueries: read.primaryQueries }).toEqual({
      attempts,
      primaryQueries,
    });
    expect(read.ending.ok).toBe(isValue(ending));
    expect(isGiven(read.ending.given, ending, read.reason)).toBe(true);
    expect(read.reports.map((each) => comparable(each, isExact))).toEqual(
      report === undefined ? [] : [comparable(report, isExact)],
    );
    for (const { error, replicaError: given } of read.reports) {
      expect(error).toBe(isValue(ending) ? undefined : read.ending.given);
      expect(replicaError === undefined || isGiven(given, replicaError, undefined)).toBe(true);
    }
    expect(read.listeners).toBe(0);
  }
  const spills = predictions.reduce((sum, { primaryQueries, ending }) => {
    return sum + primaryQueries + Number(ending === 'rejected');
  }, 0);
  const hasBudget = told.hasSpill !== undefined && !told.isBypassed;
  expect(observed.withdrawals).toBe(hasBudget ? spills : 0);
  // One that was broken off may not know yet whether it has to spill.
  const known = predictions.filter(({ ending }) => !BROKEN_OFF.has(ending)).length;
  expect(observed.deposits).toBeGreaterThanOrEqual(hasBudget ? known : 0);
  expect(observed.deposits).toBeLessThanOrEqual(hasBudget ? predictions.length : 0);
  return predictions.flatMap(({ report }) => (report === undefined ? [] : countsOf(report)));
}

/** What a report adds to the metrics. */
function countsOf({ outcome, recovery, coalesced }: NonNullable<Prediction['report']>): string[] {
  const of = (name: string, attributes: object = { outcome }): string =>
    `${name} ${JSON.stringify({ ...attributes, operation: 'read' })}`;
  const counts = [of('replica_fallback.reads')];
  if (recovery === undefined) return counts;
  const { misses, failures, catchUp } = recovery;
  const isServed = outcome === 'replica_retry' || outcome === 'primary';
  counts.push(of('replica_fallback.recovery.duration'));
  if (coalesced) counts.push(of('replica_fallback.coalesced'));
  if (isServed && misses > 0) counts.push(of('replica_fallback.replica_miss'));
  if (isServed && failures > 0) counts.push(of('replica_fallback.replica_failure'));
  if (catchUp !== undefined) {
    const { waitedFor: waited_for, end } = catchUp;
    counts.push(of('replica_fallback.catch_up.duration', { waited_for, end }));
  }
  return counts;
}

/** How often each stands in a list. */
function tally(all: readonly string[]): Record<string, number> {
  const tallied: Record<string, number> = {};
  for (const each of all) tallied[each] = (tallied[each] ?? 0) + 1;
  return tallied;
}

/** What a meter has counted, but for the queries for positions, which reads share. */
async function countedBy({ collect }: InMemoryMetrics): Promise<Record<string, number>> {
  const counted = Object.entries(await collect()).flatMap(([name, { points }]) =>
    points.map(([attributes, count]) => [`${name} ${JSON.stringify(attributes)}`, count] as const),
  );
  return Object.fromEntries(counted.filter(([name]) => !name.includes('_queries ')));
}

type Reported = NonNullable<Prediction['report']> & Partial<ReadReport>;

/** A report without its errors, and without times if they are not exact. */
function comparable(report: Reported, isExact: boolean): object {
  const isLeftOut = (key: string): boolean =>
    ['operation', 'error', 'replicaError'].includes(key) || (!isExact && key.endsWith('Ms'));
  return JSON.parse(JSON.stringify(report, (key, value) => (isLeftOut(key) ? undefined : value)));
}

function isValue(ending: Ending): boolean {
  return typeof ending === 'object' && ['row', 'nothing'].includes(ending.kind);
}

/** Whether this is what the model says, by identity. */
function isGiven(given: unknown, ending: Ending, reason: unknown): boolean {
  switch (ending) {
    case 'reason':
      return given === reason;
    case 'classifier':
      return given === CLASSIFIER_ERROR;
    case 'picker':
      return given === PICKER_ERROR;
    case 'rejected':
      return given instanceof PrimaryBudgetExceededError;
    case 'timeout':
      return given instanceof ReplicaTimeoutError;
    case 'behind':
      return false; // of nobody's concern
    default:
      return Object.is(given, ending.given);
  }
}

/** Answers of a kind, in the milliseconds that they take on a replica. */
function answers(kind: Answer['kind'], given: fc.Arbitrary<unknown>): fc.Arbitrary<Answer> {
  return fc.record({
    kind: fc.constant(kind),
    given,
    takesMs: fc.constantFrom(0, 100, 100, 200),
  });
}

/** What a query may return that is neither a miss nor a promise, nor a query that was not executed. */
function isRow(given: unknown): boolean {
  if (given === undefined || given === null) return false;
  return typeof given !== 'object' || !('then' in given || 'toOperationNode' in given);
}
