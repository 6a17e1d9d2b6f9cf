import { type AttemptContext, withReplicaFallback } from 'kysely-replica-fallback';
import { expect, test } from 'vitest';
import { AT_ONCE } from '../support/scripted-clients.ts';

const SOURCES = ['replica', 'replica_retry', 'primary'];

/** What the query is told in a read that climbs to the top. */
async function contextsOf(signal: AbortSignal | undefined): Promise<AttemptContext[]> {
  const contexts: AttemptContext[] = [];
  const options = { primary: {}, replica: {}, retryMs: AT_ONCE, signal };
  await withReplicaFallback(async (_db, context) => void contexts.push(context), options);
  return contexts;
}

test('tells the query who is asked', async () => {
  const contexts = await contextsOf(undefined);

  expect(contexts.map(({ source }) => source)).toEqual(SOURCES);
});

test('hands the very signal of the read to each attempt', async () => {
  const { signal } = new AbortController();

  const contexts = await contextsOf(signal);

  expect(contexts.map((context) => context.signal === signal)).toEqual([true, true, true]);
});

test('hands no signal to an attempt that nothing can abort', async () => {
  const contexts = await contextsOf(undefined);

  expect(contexts).toEqual(SOURCES.map((source) => ({ source, signal: undefined })));
});
