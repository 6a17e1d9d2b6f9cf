import { context, type ContextManager, diag, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { attempted, ReplicaBehindError, withReplicaFallback } from 'kysely-replica-fallback';
import { afterEach, expect, test } from 'vitest';
import { fakeCluster } from '../support/fake-cluster.ts';
import { inNewSpan, spansOf } from '../support/in-memory-span.ts';
import { REPLICA_ERROR, ROW, SCRIPTS, type ScriptedOutcome } from '../support/outcomes.ts';
import { recordDiagnostics } from '../support/recording-diagnostics.ts';
import {
  AT_ONCE,
  gives,
  misses,
  type Script,
  scriptClients,
  throws,
} from '../support/scripted-clients.ts';

const INVALID = { traceId: '', spanId: '', traceFlags: 0 };
const throwsAtOnce = () => {
  throw new Error('The observer is broken.');
};

afterEach(() => {
  trace.disable();
  context.disable();
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

test('a span has no operation when the read has none', async () => {
  const { query, clients } = scriptClients(SCRIPTS.replica_retry);

  const [span] = await spansOf(() => withReplicaFallback(query, { ...clients, retryMs: AT_ONCE }));

  expect(span?.attributes).toStrictEqual({ verdict: 'answer' });
});

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

test('a hit has no span in a read with `after`, whose answer is checked', async () => {
  const { options, find, write, replay } = fakeCluster();
  const after = write('o1');
  replay();

  const spans = await spansOf(() => withReplicaFallback(find('o1'), { ...options, after }));

  expect(spans.map(({ name }) => name)).toEqual(['request']);
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

test('a span has failed when its classifier throws', async () => {
  // A replica that is behind has missed, whatever the classifier says.
  const behind = throws(new ReplicaBehindError('behind'));
  const { query, clients } = scriptClients({ replica: [behind, gives(ROW)] });
  const options = { ...clients, retryMs: AT_ONCE, isMiss: attempted(throwsAtOnce) };

  const [span] = await spansOf(() => withReplicaFallback(query, options).catch(() => {}));

  expect(span).toMatchObject({ attributes: { verdict: 'error' }, hasFailed: true });
});

test('a span has failed when the read is aborted meanwhile', async () => {
  const controller = new AbortController();
  const aborts = async () => {
    controller.abort();
    return ROW;
  };
  const { query, clients } = scriptClients({ replica: [misses, aborts] });
  const options = { ...clients, retryMs: AT_ONCE, signal: controller.signal };

  const [span] = await spansOf(() => withReplicaFallback(query, options).catch(() => {}));

  expect(span).toMatchObject({ attributes: { verdict: 'error' }, hasFailed: true });
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
  const query = (db: { name: string }) =>
    inNewSpan(`query on ${db.name}`, async () => (db === primary ? ROW : undefined));
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

/** A tracer whose one span is recorded, and counts how often it was ended. */
function oneSpan(changes: object = {}) {
  let ends = 0;
  const span = Object.assign(Object.create(trace.wrapSpanContext(INVALID)), {
    isRecording: () => true,
    end: () => ends++,
    ...changes,
  });
  trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan: () => span }) } as never);
  return { ends: () => ends };
}

test('a span is ended although its attributes cannot be set', async () => {
  const { ends } = oneSpan({ setAttribute: throwsAtOnce });
  const { query, clients } = scriptClients(SCRIPTS.replica_retry);

  await withReplicaFallback(query, { ...clients, retryMs: AT_ONCE });

  expect(ends()).toBe(1);
});

test('an attempt is made once although the context manager throws, before it or after it', async () => {
  const diagnostics = recordDiagnostics();
  const { ends } = oneSpan();
  const manager: ContextManager = {
    active: () => ROOT_CONTEXT,
    with: throwsAtOnce,
    bind: (_, target) => target,
    enable: () => manager,
    disable: () => manager,
  };
  context.setGlobalContextManager(manager);

  for (const throwsWhen of [
    throwsAtOnce,
    (_: unknown, run: () => unknown) => {
      run();
      throwsAtOnce();
    },
  ]) {
    manager.with = throwsWhen as never;
    const { query, clients, asked } = scriptClients(SCRIPTS.replica_retry);
    expect(await withReplicaFallback(query, { ...clients, retryMs: AT_ONCE })).toBe(ROW);
    expect(asked).toHaveLength(2);
  }

  expect(ends()).toBe(2);
  expect(diagnostics).toHaveLength(2);
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
