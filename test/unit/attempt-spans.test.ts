import { diag, trace } from '@opentelemetry/api';
import { type Attempt, type AttemptContext, withReplicaFallback } from 'kysely-replica-fallback';
import { afterEach, expect, test } from 'vitest';
import { inNewSpan, spansOf } from '../support/in-memory-span.ts';
import { REPLICA_ERROR, ROW, SCRIPTS, type ScriptedOutcome } from '../support/outcomes.ts';
import { recordDiagnostics } from '../support/recording-diagnostics.ts';
import { AT_ONCE, gives, type Script, scriptClients, throws } from '../support/scripted-clients.ts';

const INVALID = { traceId: '', spanId: '', traceFlags: 0 };
const throwsAtOnce = () => {
  throw new Error('The observer is broken.');
};

afterEach(() => {
  trace.disable();
  diag.disable();
});

/** The spans of a read whose queries make one each, as those of an instrumented client do. */
async function spansOfRead(script: Script, options: object = {}) {
  const { query, clients } = scriptClients(script);
  const spans = await spansOf(async () => {
    const read = withReplicaFallback(
      (db, attempt) => inNewSpan(`query on ${db.name}`, async () => query(db, attempt)),
      { ...clients, retryMs: AT_ONCE, ...options },
    );
    await read.catch(() => {});
  });
  return spans.map(({ name, within }) => ({ [name]: within }));
}

test('a trace tells the queries of a read apart', async () => {
  expect(await spansOfRead(SCRIPTS.primary)).toEqual([
    { 'query on replica': 'request' },
    { 'query on replica': 'replica_fallback.replica_retry' },
    { 'replica_fallback.replica_retry': 'request' },
    { 'query on primary': 'replica_fallback.primary' },
    { 'replica_fallback.primary': 'request' },
    { request: undefined },
  ]);
});

test('a hit has no span', async () => {
  expect(await spansOfRead(SCRIPTS.replica)).toEqual([
    { 'query on replica': 'request' },
    { request: undefined },
  ]);
});

test('a bypass has no span', async () => {
  expect(await spansOfRead(SCRIPTS.primary, { enabled: false })).not.toContainEqual({
    'replica_fallback.primary': 'request',
  });
});

test.for<{ outcome: ScriptedOutcome; verdicts: string[] }>([
  { outcome: 'replica_retry', verdicts: ['answer'] },
  { outcome: 'primary', verdicts: ['miss', 'answer'] },
  { outcome: 'not_found', verdicts: ['miss', 'miss'] },
  { outcome: 'error', verdicts: ['error'] },
])('spans have the verdicts on their attempts when a read ends as $outcome', async (expected) => {
  const { query, clients } = scriptClients(SCRIPTS[expected.outcome]);
  const options = { ...clients, retryMs: AT_ONCE, operation: 'order_by_id' };

  const spans = await spansOf(() => withReplicaFallback(query, options).catch(() => {}));

  expect(
    spans.slice(0, -1).map(({ attributes, hasFailed }) => ({ attributes, hasFailed })),
  ).toEqual(
    expected.verdicts.map((verdict) => ({
      attributes: { operation: 'order_by_id', verdict },
      hasFailed: verdict === 'error',
    })),
  );
});

test.for<{ what: string; options: (reason: Error) => object }>([
  {
    what: 'a classifier throws',
    options: (error) => ({
      isMiss({ source }: Attempt<unknown>) {
        if (source === 'replica_retry') throw error;
        return true;
      },
    }),
  },
  {
    what: 'the read is aborted',
    options: (reason) => {
      const controller = new AbortController();
      const isMiss = ({ source }: Attempt<unknown>) => source === 'replica';
      return { isMiss, signal: controller.signal, abort: () => controller.abort(reason) };
    },
  },
])('a span has failed when $what', async ({ options }) => {
  const reason = new Error('enough');
  const { abort, ...rest } = options(reason) as { abort?: () => void };
  const query = async (_: object, { source }: AttemptContext) => {
    if (source === 'replica_retry') abort?.();
    return ROW;
  };

  const spans = await spansOf(async () => {
    const read = withReplicaFallback(query, {
      primary: {},
      replica: {},
      retryMs: AT_ONCE,
      ...rest,
    });
    await expect(read).rejects.toBe(reason);
  });

  expect(spans).toMatchObject([
    { name: 'replica_fallback.replica_retry', attributes: { verdict: 'error' }, hasFailed: true },
    { name: 'request' },
  ]);
});

test('a replica that cannot answer makes its span a failed one', async () => {
  const { query, clients } = scriptClients({ primary: [gives(ROW)] });
  const down = throws(REPLICA_ERROR);
  const replica = [1, 2].map((n) => ({ name: `replica ${n}`, answers: [down] }));
  const options = { ...clients, replica, isUnavailable: () => true };

  const spans = await spansOf(() => withReplicaFallback(query, options));

  expect(spans).toMatchObject([
    { name: 'replica_fallback.replica_retry', attributes: { verdict: 'failure' }, hasFailed: true },
    { name: 'replica_fallback.primary', attributes: { verdict: 'answer' }, hasFailed: false },
    { name: 'request' },
  ]);
});

test('reads that share a query on the primary have a span each, and the query is in the first', async () => {
  const primary = { name: 'primary' };
  const options = { primary, replica: { name: 'replica' }, retryMs: 0 };
  const query = ({ name }: { name: string }) =>
    inNewSpan(`query on ${name}`, async () => (name === 'primary' ? ROW : undefined));
  const shared = { ...options, operation: 'order_by_id', coalesceKey: 'o1' };

  const spans = await spansOf(() =>
    Promise.all([withReplicaFallback(query, shared), withReplicaFallback(query, shared)]),
  );

  expect(spans.filter(({ name }) => name.endsWith('primary'))).toMatchObject([
    { name: 'query on primary', within: 'replica_fallback.primary' },
    { name: 'replica_fallback.primary', within: 'request' },
    { name: 'replica_fallback.primary', within: 'request' },
  ]);
});

test.for([
  { who: 'the tracer throws', provider: () => ({ getTracer: throwsAtOnce }) },
  {
    who: 'a span throws',
    provider: () => {
      const span = Object.create(trace.wrapSpanContext(INVALID), {
        isRecording: { value: () => true },
        setAttribute: { value: throwsAtOnce },
      });
      return { getTracer: () => ({ startSpan: () => span }) };
    },
  },
])('a read ends all the same when $who, and the diagnostics are told', async ({ provider }) => {
  const diagnostics = recordDiagnostics();
  trace.setGlobalTracerProvider(provider() as never);
  const { query, clients } = scriptClients(SCRIPTS.primary);

  expect(await withReplicaFallback(query, { ...clients, retryMs: AT_ONCE })).toBe(ROW);

  expect(diagnostics).toHaveLength(2); // one for each span
});
