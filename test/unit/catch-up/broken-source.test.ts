import { beforeEach, expect, test, vi } from 'vitest';
import { stopTheClock } from '../../support/fake-clock.ts';
import { type FakeCluster, fakeCluster } from '../../support/fake-cluster.ts';
import { seeRead } from '../../support/see-read.ts';
import { unhandledRejectionsOf } from '../../support/unhandled-rejections.ts';

beforeEach(stopTheClock);

const throwsAtOnce = () => {
  throw new Error('The source is broken.');
};

test.for<[string, (cluster: FakeCluster) => void]>([
  ['asks the primary in vain', ({ primary }) => (primary.says = throwsAtOnce)],
  ['asks the replica in vain', ({ replica }) => (replica.says = throwsAtOnce)],
  ['gives no position of the primary', ({ primary }) => (primary.says = async () => 'nonsense')],
  ['gives no position of the replica', ({ replica }) => (replica.says = async () => 'nonsense')],
  ['cannot let the replica wait', ({ replica }) => (replica.waits = throwsAtOnce)],
])('a read waits as without `catchUp` when a source of positions %s', async ([, spoil]) => {
  const cluster = fakeCluster();
  const { options, find, write } = cluster;
  write('o1');
  spoil(cluster);

  const unhandled = await unhandledRejectionsOf(async () => {
    const [{ report }] = await Promise.all([
      seeRead(find('o1'), { ...options, retryMs: { min: 80, max: 80 } }),
      vi.advanceTimersByTimeAsync(200),
    ]);
    expect(report).toMatchObject({
      outcome: 'primary',
      durationMs: 80,
      recovery: { catchUp: { end: 'unknown' } },
    });
  });

  expect(unhandled).toEqual([]);
});
