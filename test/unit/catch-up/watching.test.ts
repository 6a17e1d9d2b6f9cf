import { withReplicaFallback } from 'kysely-replica-fallback';
import { beforeEach, expect, test, vi } from 'vitest';
import { stopTheClock } from '../../support/fake-clock.ts';
import { fakeCluster, positionAt } from '../../support/fake-cluster.ts';
import { seeRead } from '../../support/see-read.ts';

beforeEach(stopTheClock);

test('asks the replica at most every tenth of the time waited, and not more than once a millisecond', async () => {
  const { options, find, write, replica } = fakeCluster();
  write('o1');
  const missedAt = performance.now();
  const askedAfter: number[] = [];
  replica.says = async () => {
    askedAfter.push(performance.now() - missedAt);
    return positionAt(0);
  };

  await Promise.all([withReplicaFallback(find('o1'), options), vi.advanceTimersByTimeAsync(200)]);

  expect(askedAfter[0]).toBe(0);
  for (const [index, ms] of askedAfter.slice(1).entries()) {
    const before = askedAfter[index]!;
    expect(ms - before).toBe(Math.max(1, Math.floor(before / 10))); // a timer knows no fractions
  }
  expect(askedAfter.length).toBeLessThan(50);
});

test('asks the replica one question at a time, however many reads wait for it', async () => {
  const { options, find, write, replica, replay } = fakeCluster();
  write('o1');
  replica.says = () => {
    const position = positionAt(replica.has);
    return new Promise((resolve) => setTimeout(resolve, 5, position));
  };
  const reads: Promise<unknown>[] = [];
  setTimeout(replay, 80);
  for (let ms = 0; ms < 60; ms++) {
    reads.push(withReplicaFallback(find('o1'), options));
    await vi.advanceTimersByTimeAsync(1);
  }
  await vi.advanceTimersByTimeAsync(60);

  for (const row of await Promise.all(reads)) expect(row).toMatchObject({ id: 'o1' });
  expect(replica.askedAtOnce).toBe(1);
  expect(replica.asked).toBeLessThan(30);
});

test('lets each read go when the replica has what that one needs', async () => {
  const { options, find, write, replica } = fakeCluster();
  write('o1');
  const first = seeRead(find('o1'), options);
  await vi.advanceTimersByTimeAsync(0);
  write('o2');
  const second = seeRead(find('o2'), options);
  setTimeout(() => (replica.has = 1), 30);
  setTimeout(() => (replica.has = 2), 60);

  await vi.advanceTimersByTimeAsync(100);
  const [{ report: early }, { report: late }] = await Promise.all([first, second]);

  expect([early, late]).toMatchObject([
    { outcome: 'replica_retry', attempts: 2 },
    { outcome: 'replica_retry', attempts: 2 },
  ]);
  expect(early.durationMs).toBeLessThan(40);
  expect(late.durationMs).toBeGreaterThanOrEqual(60);
});

test('asks nothing when nobody waits', async () => {
  const { options, find, write, replica, replay } = fakeCluster();
  write('o1');
  setTimeout(replay, 30);
  await Promise.all([withReplicaFallback(find('o1'), options), vi.advanceTimersByTimeAsync(40)]);
  const { asked } = replica;

  await vi.advanceTimersByTimeAsync(10_000);

  expect(replica.asked).toBe(asked);
  expect(vi.getTimerCount()).toBe(0);
});

test('asks nothing more when the last one who waits has gone, while the answer is under way', async () => {
  const { options, find, write, replica } = fakeCluster();
  write('o1');
  replica.says = () => new Promise((resolve) => setTimeout(resolve, 300, positionAt(0)));

  await Promise.all([
    withReplicaFallback(find('o1'), options),
    vi.advanceTimersByTimeAsync(10_000),
  ]);

  expect(replica.asked).toBe(1);
  expect(vi.getTimerCount()).toBe(0);
});

test('does not wait for a replica that has left a question open for longer than a window', async () => {
  const { options, find, write, replica } = fakeCluster();
  write('o1');
  replica.says = () => new Promise(() => {});
  const first = seeRead(find('o1'), options);
  await vi.advanceTimersByTimeAsync(300);
  expect((await first).report).toMatchObject({ durationMs: 200, outcome: 'primary' });

  const [{ report }] = await Promise.all([
    seeRead(find('o1'), { ...options, retryMs: 40 }),
    vi.advanceTimersByTimeAsync(40),
  ]);

  expect(report).toMatchObject({ outcome: 'primary', recovery: { catchUp: { end: 'unknown' } } });
  expect(replica.asked).toBe(1);
});

test('waits for the answer to a question that was asked less than a window ago', async () => {
  const { options, find, write, replica, replay } = fakeCluster();
  write('o1');
  const { says } = replica;
  replica.says = async () => {
    replica.says = says;
    await new Promise((resolve) => setTimeout(resolve, 190));
    return positionAt(replica.has);
  };
  const first = seeRead(find('o1'), options);
  await vi.advanceTimersByTimeAsync(180);
  const second = seeRead(find('o1'), options);
  await vi.advanceTimersByTimeAsync(5);
  replay();
  await vi.advanceTimersByTimeAsync(10);

  for (const { report } of await Promise.all([first, second])) {
    expect(report).toMatchObject({
      outcome: 'replica_retry',
      recovery: { catchUp: { end: 'caught_up' } },
    });
  }
});

test('a question that the replica has lost is asked again after a second, whatever comes of it then', async () => {
  const { options, find, write, replica } = fakeCluster();
  write('o1');
  const lateAnswer = Promise.withResolvers<undefined>();
  const { says } = replica;
  replica.says = () => {
    replica.says = says;
    return lateAnswer.promise;
  };
  const reads: ReturnType<typeof seeRead>[] = [];
  for (let ms = 0; ms < 3_000; ms += 100) {
    if (ms === 2_000) lateAnswer.resolve(undefined);
    reads.push(seeRead(find('o1'), options));
    await vi.advanceTimersByTimeAsync(100);
  }
  await vi.advanceTimersByTimeAsync(400);

  const ends = (await Promise.all(reads)).map(({ report }) => report.recovery?.catchUp?.end);
  expect(ends.filter((end) => end !== 'hopeless').length).toBeLessThan(14);
  expect(ends.slice(14)).toEqual(Array.from({ length: 16 }, () => 'hopeless')); // as is true
  expect(replica.askedAtOnce).toBe(2); // the lost one, and one at a time
});

test('a read with a long window asks again itself when its question is lost', async () => {
  const { options, find, write, replica, replay } = fakeCluster();
  write('o1');
  const { says } = replica;
  replica.says = () => {
    replica.says = says;
    return new Promise(() => {});
  };
  setTimeout(replay, 500);

  const [{ report }] = await Promise.all([
    seeRead(find('o1'), { ...options, retryMs: 20_000 }),
    vi.advanceTimersByTimeAsync(20_000),
  ]);

  expect(report).toMatchObject({ outcome: 'replica_retry', attempts: 2 });
  expect(replica.asked).toBe(2);
});

test('a replica that hangs is asked a handful of times in a minute', async () => {
  const { options, find, write, replica } = fakeCluster();
  write('o1');
  replica.says = () => new Promise(() => {});
  const reads: Promise<unknown>[] = [];
  for (let ms = 0; ms < 60_000; ms += 100) {
    reads.push(withReplicaFallback(find('o1'), options));
    await vi.advanceTimersByTimeAsync(100);
  }
  await Promise.all([...reads, vi.advanceTimersByTimeAsync(400)]);

  expect(replica.asked).toBeLessThanOrEqual(6);
  expect(vi.getTimerCount()).toBe(0);
});
