import { getEventListeners } from 'node:events';
import { withReplicaFallback } from 'kysely-replica-fallback';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { stopTheClock } from '../support/fake-clock.ts';
import { type FakeCluster, fakeCluster } from '../support/fake-cluster.ts';

beforeEach(stopTheClock);

const READS = 100;
const forever = () => new Promise<never>(() => {});
const nowhere = async () => undefined;

/** Where reads may wait when their signal aborts. */
const WAITS: readonly [string, (cluster: FakeCluster) => object, () => Promise<undefined>][] = [
  ['for a query', () => ({}), forever],
  ['for a query with a time limit', () => ({ replicaTimeoutMs: 10_000 }), forever],
  [
    'as without `catchUp`',
    () => ({ catchUp: undefined, retryMs: { min: 500, max: 500 } }),
    nowhere,
  ],
  [
    'for a position of the primary',
    ({ primary }) => {
      primary.says = forever;
      return { retryMs: 10_000 };
    },
    nowhere,
  ],
  [
    'for a position of the primary, before they ask a replica',
    ({ primary }) => {
      primary.says = forever;
      return { retryMs: 10_000, after: 'now' };
    },
    nowhere,
  ],
  [
    'for a replica',
    ({ write }) => {
      write('o1');
      return { retryMs: 10_000 };
    },
    nowhere,
  ],
];

describe.for(WAITS)('reads that wait %s, with one signal', ([, arrange, query]) => {
  test('have one listener together, and none when the signal has aborted', async () => {
    const cluster = fakeCluster();
    const options = { ...cluster.options, ...arrange(cluster) };
    const controller = new AbortController();
    const { signal } = controller;
    const reads = Array.from({ length: READS }, () =>
      withReplicaFallback(query, { ...options, signal }).catch((reason: unknown) => reason),
    );
    await vi.advanceTimersByTimeAsync(100);
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);

    controller.abort('no longer needed');
    expect(new Set(await Promise.all(reads))).toEqual(new Set(['no longer needed']));
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});

test('reads that share a query on the primary have one listener together, and none when it has been answered', async () => {
  const { options, primary } = fakeCluster();
  const answer = Promise.withResolvers<undefined>();
  const query = async (db: object) => (db === primary ? answer.promise : undefined);
  const { signal } = new AbortController();
  const shared = { operation: 'find', coalesceKey: '1', retryMs: 0 };
  const reads = Array.from({ length: READS }, () =>
    withReplicaFallback(query, { ...options, ...shared, signal }),
  );
  await vi.advanceTimersByTimeAsync(100);
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);

  answer.resolve(undefined);
  await Promise.all(reads);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test('reads that end one after the other have a listener until the last one has', async () => {
  const { options } = fakeCluster();
  const { signal } = new AbortController();
  const answers = Array.from({ length: 3 }, () => Promise.withResolvers<number>());
  const reads = answers.map(({ promise }) =>
    withReplicaFallback(() => promise, { ...options, signal }),
  );
  for (const [index, { resolve }] of answers.entries()) {
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    resolve(index);
    await reads[index];
  }
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test('a read with a signal that others have given up is aborted by it', async () => {
  const { options } = fakeCluster();
  const controller = new AbortController();
  const { signal } = controller;
  await withReplicaFallback(async () => 1, { ...options, signal });
  const read = withReplicaFallback(forever, { ...options, signal });
  controller.abort('no longer needed');
  await expect(read).rejects.toBe('no longer needed');
});
