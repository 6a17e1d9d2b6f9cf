import { getEventListeners } from 'node:events';
import { withReplicaFallback } from 'kysely-replica-fallback';
import { recordReads } from 'kysely-replica-fallback/testing';
import { beforeEach, expect, test, vi } from 'vitest';
import { stopTheClock } from '../../support/fake-clock.ts';
import {
  type FakeCluster,
  type FakeQuery,
  fakeCluster,
  positionAt,
} from '../../support/fake-cluster.ts';
import { unhandledRejectionsOf } from '../../support/unhandled-rejections.ts';

beforeEach(() => {
  stopTheClock();
  fail = [];
});

/** Lets everything fail that goes on for longer than the read. */
let fail: ((reason: unknown) => void)[] = [];
const failsLater = (): Promise<never> => new Promise((_resolve, reject) => fail.push(reject));

interface Moment {
  readonly when: string;
  readonly spoil?: (cluster: FakeCluster) => void;
  readonly query?: (cluster: FakeCluster) => FakeQuery;
  readonly after?: string;
  readonly attempts: unknown;
}

const moments: Moment[] = [
  {
    when: 'the primary is asked where it is',
    spoil: ({ primary }) => (primary.says = failsLater),
    attempts: 1,
  },
  {
    when: "the primary is asked where it is, for a read after 'now'",
    spoil: ({ primary }) => (primary.says = failsLater),
    after: 'now',
    attempts: 0,
  },
  {
    when: 'the replica is asked how far it has come',
    spoil: ({ replica }) => (replica.says = failsLater),
    attempts: 1,
  },
  { when: 'the read waits for the next question to the replica', attempts: 1 },
  { when: 'the read waits for a position that it was given', after: 'log-1', attempts: 1 },
  {
    when: 'an attempt is checked',
    spoil: ({ replica }) => (replica.says = failsLater),
    after: 'log-1',
    attempts: 1,
  },
  {
    when: 'the replica is asked again',
    query:
      ({ find, replay }) =>
      async (db, attempt) => {
        if (attempt.source === 'replica_retry') return failsLater();
        replay();
        return find('nowhere')(db, attempt);
      },
    attempts: 2,
  },
  {
    when: 'the read waits because the replica was behind after all',
    spoil: ({ replica }) => {
      let asked = 0;
      replica.says = async () => positionAt(asked++ % 2 === 0 ? 1 : 0);
    },
    attempts: expect.any(Number),
  },
];

test.for(moments)(
  'rejects with the reason, and leaves nothing behind, when the signal aborts while $when',
  async ({ spoil, query, after, attempts }) => {
    const cluster = fakeCluster();
    const { options, find, write, primary, replica } = cluster;
    const controller = new AbortController();
    const { signal } = controller;
    const { reports, onOutcome } = recordReads();
    write('o1');
    spoil?.(cluster);

    const unhandled = await unhandledRejectionsOf(async () => {
      const read = withReplicaFallback(query?.(cluster) ?? find('o1'), {
        ...options,
        after,
        signal,
        onOutcome,
      });
      const rejected = read.catch((reason: unknown) => reason);
      await vi.advanceTimersByTimeAsync(5);
      const asked = [primary.asked, replica.asked];

      controller.abort('no longer needed');
      expect(await rejected).toBe('no longer needed');

      expect(getEventListeners(signal, 'abort')).toEqual([]);
      expect(vi.getTimerCount()).toBe(0);
      for (const reject of fail) reject(new Error('too late'));
      await vi.advanceTimersByTimeAsync(10_000);
      expect([primary.asked, replica.asked]).toEqual(asked);
    });

    expect(unhandled).toEqual([]);
    expect(reports).toMatchObject([{ outcome: 'error', attempts, error: 'no longer needed' }]);
  },
);

test('asks nobody anything when the signal aborted before', async () => {
  const { options, asked, find, primary, replica } = fakeCluster();
  const signal = AbortSignal.abort('no longer needed');

  for (const after of [undefined, 'log-1', 'now']) {
    const read = withReplicaFallback(find('o1'), { ...options, after, signal });
    await expect(read).rejects.toBe('no longer needed');
  }

  expect(asked).toEqual([]);
  expect([primary.asked, replica.asked]).toEqual([0, 0]);
});

test('lets the reads go on that wait with one that is aborted', async () => {
  const { options, find, write, replay } = fakeCluster();
  write('o1');
  const controller = new AbortController();
  const { signal } = controller;
  const aborted = withReplicaFallback(find('o1'), { ...options, signal }).catch(
    (reason: unknown) => reason,
  );
  const other = withReplicaFallback(find('o1'), options);

  await vi.advanceTimersByTimeAsync(5);
  controller.abort('no longer needed');
  replay();
  await vi.advanceTimersByTimeAsync(5);

  expect(await aborted).toBe('no longer needed');
  expect(await other).toMatchObject({ id: 'o1' });
});

test('leaves the answer of the question that it asked to the others, when it is aborted', async () => {
  const { options, find, primary } = fakeCluster();
  primary.says = () => new Promise((resolve) => setTimeout(resolve, 20, positionAt(0)));
  const controller = new AbortController();
  const { signal } = controller;
  const aborted = withReplicaFallback(find('nowhere'), { ...options, signal }).catch(
    (reason: unknown) => reason,
  );
  const other = withReplicaFallback(find('nowhere'), options);
  await vi.advanceTimersByTimeAsync(5);

  controller.abort('no longer needed');
  await vi.advanceTimersByTimeAsync(20);

  expect(await aborted).toBe('no longer needed');
  expect(await other).toBeUndefined();
  expect(primary.asked).toBe(1);
});

test('passes the signal of the attempt to a query that is checked', async () => {
  const { options, find, write, replay } = fakeCluster();
  const after = write('o1');
  replay();
  const { signal } = new AbortController();
  const signals: unknown[] = [];
  const query: FakeQuery = async (db, attempt) => {
    signals.push(attempt.signal);
    return find('o1')(db, attempt);
  };

  await withReplicaFallback(query, { ...options, after, signal });

  expect(signals).toEqual([signal]);
});

test.for<[string, (cluster: FakeCluster) => void]>([
  ['the replica catches up', ({ replay }) => setTimeout(replay, 30)],
  ['the replica is too late', () => {}],
  ['the primary does not say in time where it is', ({ primary }) => (primary.says = failsLater)],
  ['the replica does not say where it is', ({ replica }) => (replica.says = async () => undefined)],
])('leaves nothing behind when %s', async ([, happens]) => {
  const cluster = fakeCluster();
  const { options, find, write } = cluster;
  const { signal } = new AbortController();
  write('o1');
  happens(cluster);

  await Promise.all([
    withReplicaFallback(find('o1'), { ...options, signal }),
    vi.advanceTimersByTimeAsync(400),
  ]);

  expect(getEventListeners(signal, 'abort')).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});

test('a read ends at once when the primary is asked where it is, and the signal aborts meanwhile', async () => {
  const { options, find, write, primary } = fakeCluster();
  write('o1');
  const abortion = new AbortController();
  const reason = new Error('The caller has gone.');
  primary.says = () => {
    abortion.abort(reason);
    return new Promise(() => {});
  };
  const { reports, onOutcome } = recordReads();
  const { signal } = abortion;

  const read = withReplicaFallback(find('o1'), { ...options, after: 'now', signal, onOutcome });

  await expect(read).rejects.toBe(reason);
  expect(reports).toMatchObject([{ durationMs: 0 }]);
});

test('a query whose check is over only when its read has been aborted does not run', async () => {
  const { find, options, replica, replay, write, asked } = fakeCluster();
  const after = write('o1');
  replay();
  const check = Promise.withResolvers<string>();
  replica.says = () => check.promise;
  const controller = new AbortController();
  const read = withReplicaFallback(find('o1'), { ...options, after, signal: controller.signal });

  controller.abort('no longer needed');
  await expect(read).rejects.toBe('no longer needed');
  check.resolve(after);
  await vi.advanceTimersByTimeAsync(100);

  expect(asked).toEqual([]);
});
