import { beforeEach, describe, expect, test, vi } from 'vitest';
import { stopTheClock } from '../../support/fake-clock.ts';
import { type FakeCluster, fakeCluster } from '../../support/fake-cluster.ts';
import { inMemoryMetrics } from '../../support/in-memory-metrics.ts';
import { seeRead } from '../../support/see-read.ts';

beforeEach(stopTheClock);

const DURATION = 'replica_fallback.catch_up.duration';
const forever = () => new Promise<never>(() => {});

/** A read whose signal aborts after 30 ms. */
async function abortedRead({ find, options }: FakeCluster, more: object = {}) {
  const { meter, collect } = inMemoryMetrics();
  const controller = new AbortController();
  setTimeout(() => controller.abort('no longer needed'), 30);
  const { signal } = controller;
  const [{ report }] = await Promise.all([
    seeRead(find('o1'), { ...options, ...more, meter, signal, operation: 'find' }),
    vi.advanceTimersByTimeAsync(1_000),
  ]);
  return { report, durations: (await collect())[DURATION]?.points ?? [] };
}

describe.for<[string, (cluster: FakeCluster) => object, 'existence' | 'after']>([
  ['for a replica', () => ({}), 'existence'],
  ['for a position', ({ write }) => ({ after: write('o1') }), 'after'],
  [
    'for the primary to say where it is',
    ({ primary }) => {
      primary.says = forever;
      return {};
    },
    'existence',
  ],
  [
    'for a replica that says nothing',
    ({ replica }) => {
      replica.says = forever;
      return {};
    },
    'existence',
  ],
])('a wait %s that the signal ends', ([, arrange, waitedFor]) => {
  test('is in the report, and in the histogram, once', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    const more = arrange(cluster);

    const { report, durations } = await abortedRead(cluster, more);

    expect(report).toMatchObject({
      outcome: 'error',
      error: 'no longer needed',
      recovery: { catchUp: { waitedFor, end: 'aborted', waitMs: 30 } },
    });
    expect(durations).toEqual([
      [{ waited_for: waitedFor, end: 'aborted', operation: 'find' }, expect.anything()],
    ]);
  });
});

test('a wait that was over before the signal aborted is told as it ended', async () => {
  const cluster = fakeCluster();
  const { find, options, write, replay } = cluster;
  write('o1');
  setTimeout(replay, 10);
  const slowly = async (...given: Parameters<ReturnType<typeof find>>) => {
    if (given[1].source === 'replica_retry') await forever();
    return find('o1')(...given);
  };

  const { report, durations } = await abortedRead({ ...cluster, find: () => slowly, options });

  expect(report).toMatchObject({
    outcome: 'error',
    failedDuring: 'replica_retry',
    recovery: { catchUp: { end: 'caught_up', waitMs: 10 } },
  });
  expect(durations).toHaveLength(1);
});
