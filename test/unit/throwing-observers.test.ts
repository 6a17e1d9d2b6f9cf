import { diag } from '@opentelemetry/api';
import { withReplicaFallback } from 'kysely-replica-fallback';
import { recordReads } from 'kysely-replica-fallback/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { inMemoryMetrics } from '../support/in-memory-metrics.ts';
import { REPLICA_ERROR, ROW, SCRIPTS, type ScriptedOutcome } from '../support/outcomes.ts';
import { recordDiagnostics } from '../support/recording-diagnostics.ts';
import { AT_ONCE, scriptClients } from '../support/scripted-clients.ts';
import { unhandledRejectionsOf } from '../support/unhandled-rejections.ts';

const broken = new Error('The observer is broken.');
const throwsAtOnce = () => {
  throw broken;
};
const rejects = () => Promise.reject(broken);
const { meter } = inMemoryMetrics();
const instrument = { add: throwsAtOnce, record: throwsAtOnce };
const meterWith = (methods: object): typeof meter =>
  Object.assign(Object.create(meter) as typeof meter, methods);

let diagnostics: unknown[][];
beforeEach(() => {
  diagnostics = recordDiagnostics();
});
afterEach(() => {
  diag.disable();
});

const observers: { who: string; options: object; outcomes: ScriptedOutcome[] }[] = [
  {
    who: 'a meter throws',
    options: { meter: meterWith({ createCounter: throwsAtOnce }) },
    outcomes: ['replica', 'primary', 'error'],
  },
  {
    who: 'a counter throws',
    options: { meter: meterWith({ createCounter: () => instrument }) },
    outcomes: ['replica', 'primary', 'error'],
  },
  {
    who: 'a histogram throws',
    options: { meter: meterWith({ createHistogram: () => instrument }) },
    outcomes: ['primary', 'not_found', 'error'],
  },
  {
    who: 'the logger throws',
    options: { logger: { warn: throwsAtOnce, error: throwsAtOnce } },
    outcomes: ['primary', 'error'],
  },
  {
    who: 'the logger rejects',
    options: { logger: { warn: rejects, error: rejects } },
    outcomes: ['primary', 'error'],
  },
  {
    who: '`onOutcome` throws',
    options: { onOutcome: throwsAtOnce },
    outcomes: ['replica', 'replica_retry', 'primary', 'not_found', 'error'],
  },
  {
    who: '`onOutcome` rejects',
    options: { onOutcome: rejects },
    outcomes: ['replica', 'replica_retry', 'primary', 'not_found', 'error'],
  },
];
const cases = observers.flatMap(({ outcomes, ...observer }) =>
  outcomes.map((outcome) => ({ ...observer, outcome })),
);

function endOf(outcome: ScriptedOutcome): PromiseSettledResult<unknown> {
  if (outcome === 'error') return { status: 'rejected', reason: REPLICA_ERROR };
  return { status: 'fulfilled', value: outcome === 'not_found' ? undefined : ROW };
}

test.for(cases)(
  'ends a read as $outcome all the same when $who, and tells the diagnostics',
  async ({ outcome, options }) => {
    const { query, clients } = scriptClients(SCRIPTS[outcome]);

    const unhandled = await unhandledRejectionsOf(async () => {
      const read = withReplicaFallback(query, { ...clients, retryMs: AT_ONCE, ...options });
      expect(await Promise.allSettled([read])).toEqual([endOf(outcome)]);
    });

    expect(unhandled).toEqual([]);
    expect(diagnostics).toEqual([['kysely-replica-fallback: an observer threw', broken]]);
  },
);

test('tells the diagnostics nothing of a read that rejects with an error of its query', async () => {
  const error = new Error('no such column');

  const read = withReplicaFallback(() => Promise.reject(error), {
    primary: {},
    replica: {},
    meter,
  });

  await expect(read).rejects.toBe(error);
  expect(diagnostics).toEqual([]);
});

test('ends a read all the same when even the diagnostics throw', async () => {
  diag.setLogger(
    { error: throwsAtOnce, warn: throwsAtOnce, info() {}, debug() {}, verbose() {} },
    { suppressOverrideMessage: true },
  );
  const { query, clients } = scriptClients(SCRIPTS.replica);

  expect(await withReplicaFallback(query, { ...clients, onOutcome: throwsAtOnce })).toBe(ROW);
});

test('tells the other observers when one throws', async () => {
  const { reports, onOutcome } = recordReads();
  const { query, clients } = scriptClients(SCRIPTS.primary);

  await withReplicaFallback(query, {
    ...clients,
    meter: meterWith({ createCounter: throwsAtOnce }),
    logger: { warn: throwsAtOnce, error: throwsAtOnce },
    retryMs: { ...AT_ONCE, settle: throwsAtOnce },
    onOutcome,
  });

  expect(reports).toMatchObject([{ outcome: 'primary' }]);
  expect(diagnostics).toHaveLength(3);
});

test('counts again after the meter threw once', async () => {
  const working = inMemoryMetrics();
  let calls = 0;
  const flaky = Object.assign(Object.create(working.meter) as typeof meter, {
    createCounter(name: string) {
      if (calls++ === 0) throw broken;
      return working.meter.createCounter(name, { unit: '{read}' });
    },
  });

  for (let i = 0; i < 2; i++) {
    const { query, clients } = scriptClients(SCRIPTS.replica);
    await withReplicaFallback(query, { ...clients, meter: flaky });
  }

  expect(await working.collect()).toHaveProperty(['replica_fallback.reads', 'points', 0, 1], 1);
});
