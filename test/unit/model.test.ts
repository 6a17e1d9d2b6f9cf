import { getEventListeners } from 'node:events';
import * as fc from 'fast-check';
import {
  PrimaryBudgetExceededError,
  type ReadReport,
  withReplicaFallback,
} from 'kysely-replica-fallback';
import { expect, test } from 'vitest';
import { type Answer, predict, type Scenario } from '../support/ladder-model.ts';
import { unhandledRejectionsOf } from '../support/unhandled-rejections.ts';

const SEED = Number(process.env['KYSELY_REPLICA_FALLBACK_TEST_SEED'] ?? Date.now() % 2 ** 31);
/** In batches, because each read waits for timers. */
const BATCHES = 200;
const BATCH = 100;

class Down extends Error {}
/** Knows more than it should: a query that was aborted ends the read, whatever is said of it. */
const isDownOrAborted = (error: unknown) =>
  error instanceof Down || (error instanceof Error && error.name === 'AbortError');
const noResult = () => Object.assign(new Error('no result'), { node: {} });
const aborted = () => Object.assign(new Error('aborted'), { name: 'AbortError' });

const answer: fc.Arbitrary<Answer> = fc.oneof(
  { arbitrary: fc.anything().filter(isRow).map(row), weight: 3 },
  {
    arbitrary: fc.constantFrom(undefined, null).map((given) => answerOf('nothing', given)),
    weight: 5,
  },
  fc.constant(0).map(() => answerOf('no result', noResult())),
  { arbitrary: fc.constant(0).map(() => answerOf('down', new Down())), weight: 4 },
  fc.string().map((message) => answerOf('error', new TypeError(message))),
  fc
    .constantFrom(undefined, null, 0, 'text', false)
    .map((given) => answerOf('not an error', given)),
  fc.constant(0).map(() => answerOf('abort', aborted())),
);

const scenario: fc.Arbitrary<Scenario> = fc.record({
  replicas: fc.integer({ min: 1, max: 4 }),
  answers: fc.array(answer, { minLength: 1, maxLength: 8 }),
  waits: fc.integer({ min: 0, max: 4 }),
  knowsDown: fc.boolean(),
  hasSpill: fc.constantFrom(undefined, true, false),
  abort: fc.oneof(
    { arbitrary: fc.constant('never' as const), weight: 4 },
    fc.constant('before' as const),
    fc.record({
      during: fc.constantFrom('attempt' as const, 'wait' as const),
      number: fc.integer({ min: 0, max: 3 }),
    }),
  ),
});

test(`climbs the ladder as the model does, in ${BATCHES * BATCH} reads (seed ${SEED})`, async () => {
  const batches = fc.asyncProperty(
    fc.array(scenario, { minLength: BATCH, maxLength: BATCH }),
    async (scenarios) => {
      const unhandled = await unhandledRejectionsOf(() => Promise.all(scenarios.map(check)));
      expect(unhandled).toEqual([]);
    },
  );
  await fc.assert(batches, { seed: SEED, numRuns: BATCHES });
}, 300_000);

/** Runs a read for real, and compares all that came of it with what the model says. */
async function check(told: Scenario): Promise<void> {
  const primary = { name: 'primary' };
  const replicas = Array.from({ length: told.replicas }, (_, index) => ({
    name: `replica ${index}`,
  }));
  const abortion = new AbortController();
  const { signal } = abortion;
  const reason = new Error('The caller has gone.');
  const { abort } = told;
  const abortsIn = (during: string, number: number): boolean =>
    typeof abort === 'object' && abort.during === during && abort.number === number;
  if (abort === 'before') abortion.abort(reason);

  const asked: { db: object; source: string }[] = [];
  const reports: ReadReport[] = [];
  let waits = 0;
  const read = withReplicaFallback<object, unknown>(
    async (db, { source }) => {
      const number = asked.push({ db, source }) - 1;
      if (abortsIn('attempt', number)) abortion.abort(reason);
      const { kind, given } = told.answers[number % told.answers.length]!;
      if (kind === 'row' || kind === 'nothing') return given;
      throw given;
    },
    {
      primary,
      replica: replicas,
      isUnavailable: told.knowsDown ? isDownOrAborted : undefined,
      retryMs: {
        *delays() {
          while (waits < told.waits) {
            waits += 1;
            if (abortsIn('wait', waits - 1)) setImmediate(() => abortion.abort(reason));
            yield abortsIn('wait', waits - 1) ? 1_000 : 0;
          }
        },
      },
      primaryBudget:
        told.hasSpill === undefined
          ? undefined
          : { deposit() {}, withdraw: () => told.hasSpill === true },
      signal,
      onOutcome: (report) => void reports.push(report),
    },
  );
  const ending = await read.then(
    (value) => ({ ok: true, given: value }),
    (error: unknown) => ({ ok: false, given: error }),
  );

  const predicted = predict(told);
  const seen = new Set<object>();
  const clients = asked.map(({ db }, index) => {
    if (db === primary) return 'primary';
    const isFresh = !seen.has(db);
    seen.add(db);
    return isFresh ? 'fresh' : db === asked[index - 1]?.db ? 'same' : 'another';
  });
  expect({ sources: asked.map(({ source }) => source), clients, waits }).toEqual({
    sources: predicted.sources,
    clients: predicted.clients,
    waits: predicted.waits,
  });
  const expected = predicted.ending;
  const gave =
    expected === 'rejected'
      ? ending.given instanceof PrimaryBudgetExceededError
      : Object.is(ending.given, expected === 'reason' ? reason : expected.given);
  const isValue = typeof expected === 'object' && ['row', 'nothing'].includes(expected.kind);
  expect({ isValue: ending.ok, gave }).toEqual({ isValue, gave: true });
  const [report] = reports;
  expect(reports.length).toBe(1);
  expect(report).toMatchObject({ outcome: predicted.outcome, attempts: predicted.sources.length });
  const { misses, failures } = predicted;
  expect(report?.recovery?.misses ?? 0).toBe(misses);
  expect(report?.recovery?.failures ?? 0).toBe(failures);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
}

function answerOf(kind: Answer['kind'], given: unknown): Answer {
  return { kind, given };
}

function row(given: unknown): Answer {
  return { kind: 'row', given };
}

/** What a query may return that is neither a miss nor a promise, nor a query that was not executed. */
function isRow(given: unknown): boolean {
  if (given === undefined || given === null) return false;
  return typeof given !== 'object' || !('then' in given || 'toOperationNode' in given);
}
