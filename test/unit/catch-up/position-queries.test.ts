import { withReplicaFallback } from 'kysely-replica-fallback';
import { beforeEach, expect, test, vi } from 'vitest';
import { stopTheClock } from '../../support/fake-clock.ts';
import {
  type FakeQuery,
  type FakeServer,
  fakeCluster,
  positionAt,
} from '../../support/fake-cluster.ts';
import { seeRead } from '../../support/see-read.ts';

beforeEach(stopTheClock);

/** Lets a server take its time to say where it was when it was asked, or when it answers. */
function answerSlowly(server: FakeServer, ms: number): void {
  server.says = () => {
    const position = positionAt(server.has);
    return new Promise((resolve) => setTimeout(resolve, ms, position));
  };
}

test('asks the primary once for all reads that miss together', async () => {
  const { options, find, primary, replica } = fakeCluster();
  answerSlowly(primary, 5);
  const reads = Array.from({ length: 1000 }, () => seeRead(find('nowhere'), options));

  await vi.advanceTimersByTimeAsync(5);
  const outcomes = (await Promise.all(reads)).map(({ report }) => report.outcome);

  expect(new Set(outcomes)).toEqual(new Set(['not_found']));
  expect([primary.asked, primary.askedAtOnce]).toEqual([1, 1]);
  expect([replica.asked, replica.askedAtOnce]).toEqual([1, 1]);
});

test('gives a position to every read that began before it was asked for, however late it misses', async () => {
  const { options, find, primary } = fakeCluster();
  const slowly =
    (ms: number): FakeQuery =>
    async (db, attempt) => {
      if (attempt.source === 'replica') await new Promise((resolve) => setTimeout(resolve, ms));
      return find('nowhere')(db, attempt);
    };

  const reads = [1, 10, 20].map((ms) => seeRead(slowly(ms), options));
  await vi.advanceTimersByTimeAsync(20);

  expect((await Promise.all(reads)).map(({ report }) => report.outcome)).toEqual([
    'not_found',
    'not_found',
    'not_found',
  ]);
  expect(primary.asked).toBe(1);
});

test('asks anew for a read that began after the question, because its row may be newer than the answer', async () => {
  const { options, asked, find, write, primary, replay } = fakeCluster();
  answerSlowly(primary, 5);
  const first = withReplicaFallback(find('o1'), options);
  await vi.advanceTimersByTimeAsync(1);
  write('o1');
  const second = withReplicaFallback(find('o1'), options);
  setTimeout(replay, 30);

  await vi.advanceTimersByTimeAsync(40);

  // The primary did not have the row when it was asked for the first read.
  expect([await first, await second]).toEqual([undefined, { id: 'o1', version: 1 }]);
  expect(asked).not.toContain('primary as primary');
  expect([primary.asked, primary.askedAtOnce]).toEqual([2, 1]);
});

test('asks one after the other, and once for all who came while the last question was under way', async () => {
  const { options, find, primary } = fakeCluster();
  answerSlowly(primary, 50);
  const reads: Promise<unknown>[] = [];
  for (let ms = 0; ms < 50; ms++) {
    reads.push(withReplicaFallback(find('nowhere'), options));
    await vi.advanceTimersByTimeAsync(1);
  }

  await vi.advanceTimersByTimeAsync(50);
  await Promise.all(reads);

  expect([primary.asked, primary.askedAtOnce]).toEqual([2, 1]);
});

test('asks each primary for the reads of its own', async () => {
  const one = fakeCluster();
  const other = fakeCluster();

  await Promise.all([
    withReplicaFallback(one.find('nowhere'), one.options),
    withReplicaFallback(other.find('nowhere'), other.options),
  ]);

  expect([one.primary.asked, other.primary.asked]).toEqual([1, 1]);
});

test('gives up a question that has had no answer for a minute', async () => {
  const { options, find, primary } = fakeCluster();
  primary.says = () => new Promise(() => {});
  const lost = withReplicaFallback(find('nowhere'), options);
  await vi.advanceTimersByTimeAsync(60_000);
  await lost;
  await Promise.all([
    withReplicaFallback(find('nowhere'), options),
    vi.advanceTimersByTimeAsync(400),
  ]);
  expect(primary.asked).toBe(1);

  await vi.advanceTimersByTimeAsync(1000);
  primary.says = async () => positionAt(0);

  const { report } = await seeRead(find('nowhere'), options);
  expect(report).toMatchObject({ outcome: 'not_found', attempts: 2 });
  expect(primary.asked).toBe(2);
});
