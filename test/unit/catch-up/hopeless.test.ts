import { withReplicaFallback } from 'kysely-replica-fallback';
import { beforeEach, expect, test, vi } from 'vitest';
import { stopTheClock } from '../../support/fake-clock.ts';
import { type FakeCluster, fakeCluster, positionAt } from '../../support/fake-cluster.ts';
import { seeRead } from '../../support/see-read.ts';

beforeEach(stopTheClock);

/** A read that gets as much time as it takes, and how it went. */
async function readNow({ find, options }: FakeCluster, id = 'o1', more: object = {}) {
  const [seen] = await Promise.all([
    seeRead(find(id), { ...options, ...more }),
    vi.advanceTimersByTimeAsync(1000),
  ]);
  return seen.report;
}

const HOPELESS = {
  outcome: 'primary',
  durationMs: 0,
  recovery: { catchUp: { end: 'hopeless', waitMs: 0 } },
};

test('waits one window in an outage, and then for no read any more, after one question to the replica', async () => {
  const cluster = fakeCluster();
  cluster.write('o1');
  expect(await readNow(cluster)).toMatchObject({ durationMs: 200 });
  const { asked } = cluster.replica;

  for (let i = 1; i <= 20; i++) {
    cluster.write('o1');
    expect(await readNow(cluster)).toMatchObject(HOPELESS);
    expect(cluster.replica.asked).toBe(asked + i);
  }
});

test('waits for no read any more on a primary that is idle meanwhile', async () => {
  const cluster = fakeCluster();
  cluster.write('o1');
  await readNow(cluster);

  expect(await readNow(cluster)).toMatchObject(HOPELESS);
});

test('lets the reads that wait in an outage wait one window, and not one more for each', async () => {
  const { options, find, write } = fakeCluster();
  write('o1');
  const startedAt = performance.now();
  const reads: ReturnType<typeof seeRead>[] = [];
  for (let ms = 0; ms < 1000; ms++) {
    reads.push(seeRead(find('o1'), options));
    await vi.advanceTimersByTimeAsync(1);
  }
  await vi.advanceTimersByTimeAsync(200);

  const ends = (await Promise.all(reads)).map(({ report }) => report.durationMs);

  expect(performance.now() - startedAt).toBe(1200);
  expect(Math.max(...ends)).toBeLessThanOrEqual(200);
  // What the first one has asked for is older than a window by then, and the replica is still not there.
  expect(ends.slice(250).filter((ms) => ms > 0)).toEqual([]);
});

test('notices at once that the replica has caught up', async () => {
  const cluster = fakeCluster();
  cluster.write('o1');
  await readNow(cluster);
  expect(await readNow(cluster)).toMatchObject(HOPELESS);

  cluster.replay();

  expect(await readNow(cluster, 'nowhere')).toMatchObject({ outcome: 'not_found', durationMs: 0 });
});

test('waits again for a replica that is behind, but by less than a window', async () => {
  const cluster = fakeCluster();
  cluster.write('o1');
  await readNow(cluster);
  cluster.replay();
  await vi.advanceTimersByTimeAsync(10_000);
  cluster.write('o2');
  setTimeout(cluster.replay, 100);

  expect(await readNow(cluster, 'o2')).toMatchObject({ outcome: 'replica_retry' });
});

test('waits when the only position that is old enough is one that the replica has', async () => {
  const cluster = fakeCluster();
  cluster.write('o1');
  cluster.replay();
  await readNow(cluster, 'nowhere'); // asks the primary for its position
  cluster.write('o2');

  // It may have been away for an hour by now, but nobody has seen that.
  await vi.advanceTimersByTimeAsync(3_600_000);

  expect(await readNow(cluster, 'o2')).toMatchObject({
    outcome: 'primary',
    durationMs: 200,
    recovery: { catchUp: { end: 'late' } },
  });
});

test('waits for a position that is older than what the replica lacks', async () => {
  const cluster = fakeCluster();
  const before = cluster.write('o1');
  cluster.write('o2');
  await readNow(cluster);
  setTimeout(() => (cluster.replica.has = 1), 50);

  expect(await readNow(cluster, 'o1', { after: before })).toMatchObject({
    outcome: 'replica_retry',
    recovery: { catchUp: { waitedFor: 'after', end: 'caught_up' } },
  });
});

test('judges an answer that is late by when it was asked for', async () => {
  const cluster = fakeCluster();
  const { replica } = cluster;
  const { says } = replica;
  cluster.write('o1');
  replica.says = () => new Promise((resolve) => setTimeout(resolve, 300, positionAt(0)));
  const first = seeRead(cluster.find('o1'), cluster.options);
  await vi.advanceTimersByTimeAsync(240);
  replica.says = says;
  cluster.replay();

  cluster.write('o2');
  setTimeout(cluster.replay, 80);
  const report = await readNow(cluster, 'o2');

  expect(report).toMatchObject({ outcome: 'replica_retry' });
  await first;
});

test('knows for days that a replica has been away, with reads all the time', async () => {
  const { options, find, write, replica } = fakeCluster();
  write('o1');
  replica.has = 1;
  for (let minute = 0; minute < 3 * 24 * 60; minute++) {
    write('o2');
    await Promise.all([
      withReplicaFallback(find('nowhere'), { ...options, retryMs: 1 }),
      vi.advanceTimersByTimeAsync(60_000),
    ]);
  }

  // Long windows, of which the history has to have something from before.
  const [{ report }] = await Promise.all([
    seeRead(find('nowhere'), { ...options, retryMs: 2 * 24 * 3_600_000 }),
    vi.advanceTimersByTimeAsync(0),
  ]);

  expect(report).toMatchObject({ recovery: { catchUp: { end: 'hopeless' } } });
});

test('waits for an address of several servers, of which one stands still', async () => {
  const cluster = fakeCluster();
  const { replica } = cluster;
  cluster.write('o1');
  await readNow(cluster);
  cluster.replay();
  await vi.advanceTimersByTimeAsync(1_000);
  let looks = 0;
  replica.says = async () => positionAt(looks++ % 3 === 1 ? 0 : replica.has);
  cluster.write('o2');
  setTimeout(cluster.replay, 50);

  expect(await readNow(cluster, 'o2')).toMatchObject({
    outcome: 'replica_retry',
    recovery: { catchUp: { end: 'caught_up' } },
  });
  expect(looks).toBeGreaterThan(3);
});

test('does not wait for a replica that came back older, because of what it had before', async () => {
  const cluster = fakeCluster();
  cluster.write('o1');
  cluster.write('o2');
  cluster.replica.has = 1;
  await readNow(cluster, 'o2');
  cluster.replica.has = 0;

  expect(await readNow(cluster, 'o2')).toMatchObject(HOPELESS);
});
