import { withReplicaFallback } from 'kysely-replica-fallback';
import { beforeEach, expect, test, vi } from 'vitest';
import { stopTheClock } from '../../support/fake-clock.ts';
import {
  type FakeCluster,
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

/** Reads once every 100 ms, each for 200 ms at most. */
async function readFor(seconds: number, { find, options }: FakeCluster) {
  const reads: ReturnType<typeof seeRead>[] = [];
  for (let ms = 0; ms < seconds * 1000; ms += 100) {
    reads.push(seeRead(find('nowhere'), { ...options, retryMs: { min: 200, max: 200 } }));
    await vi.advanceTimersByTimeAsync(100);
  }
  await vi.advanceTimersByTimeAsync(400);
  return (await Promise.all(reads)).map(({ report }) => report.recovery?.catchUp?.end);
}

test('a question that is lost is asked again after a second, and few reads go without an answer', async () => {
  const cluster = fakeCluster();
  const { primary } = cluster;
  const { says } = primary;
  primary.says = () => {
    primary.says = says;
    return new Promise(() => {});
  };

  const ends = await readFor(10, cluster);

  expect(ends.filter((end) => end !== 'caught_up').length).toBeLessThan(12);
  expect(primary.askedAtOnce).toBe(2); // the lost one, and one at a time
});

test('a primary that hangs is asked a handful of times in the first minute, and about once in each later one', async () => {
  const cluster = fakeCluster();
  const { primary } = cluster;
  primary.says = () => new Promise(() => {});

  await readFor(60, cluster);
  expect(primary.asked).toBeLessThanOrEqual(6);
  await readFor(600, cluster);
  expect(primary.asked).toBeLessThanOrEqual(17);
  expect(vi.getTimerCount()).toBe(0);

  primary.says = async () => positionAt(0);
  const ends = await readFor(70, cluster);
  expect(ends.at(-1)).toBe('caught_up');
  primary.says = () => new Promise(() => {});
  const { asked } = primary;
  await readFor(2, cluster);
  expect(primary.asked).toBe(asked + 2); // patient no longer than at first
});

/** A primary that says of each question when it is answered. */
function askByHand(primary: FakeServer) {
  const questions: PromiseWithResolvers<string>[] = [];
  primary.says = () => {
    const question = Promise.withResolvers<string>();
    questions.push(question);
    return question.promise;
  };
  return questions;
}

test('the answer of a question that was replaced still counts, for those who began before it, and for nobody else', async () => {
  const { options, asked, find, write, primary } = fakeCluster();
  const questions = askByHand(primary);
  const patient = { ...options, retryMs: 20_000 };
  const before = seeRead(find('o1'), patient);
  await vi.advanceTimersByTimeAsync(10);
  write('o1');
  const after = seeRead(find('o1'), patient);
  await vi.advanceTimersByTimeAsync(1_100);
  expect(questions).toHaveLength(2);

  questions[0]?.resolve(positionAt(0));
  await vi.advanceTimersByTimeAsync(10);
  expect((await before).report).toMatchObject({ outcome: 'not_found', attempts: 2 });
  expect(asked).toEqual(['replica as replica', 'replica as replica', 'replica as replica_retry']);
  questions[1]?.resolve(positionAt(1));
  await vi.advanceTimersByTimeAsync(20_000);

  expect((await after).result).toMatchObject({ value: { id: 'o1' } });
});

test('the answer of a question that was replaced is no news when the other one has come', async () => {
  const { options, find, write, primary, replay } = fakeCluster();
  const questions = askByHand(primary);
  const first = seeRead(find('o1'), { ...options, retryMs: 20_000 });
  await vi.advanceTimersByTimeAsync(1_100);
  questions[1]?.resolve(positionAt(0));
  await vi.advanceTimersByTimeAsync(10);
  expect((await first).report).toMatchObject({ outcome: 'not_found' });

  const second = seeRead(find('o1'), { ...options, retryMs: 20_000 });
  await vi.advanceTimersByTimeAsync(10);
  write('o1');
  questions[0]?.reject(new Error('Connection terminated'));
  await vi.advanceTimersByTimeAsync(10);
  questions[2]?.resolve(positionAt(1));
  setTimeout(replay, 20);
  await vi.advanceTimersByTimeAsync(100);

  expect((await second).report).toMatchObject({ outcome: 'replica_retry', attempts: 2 });
});

test('a question that was replaced and fails late leaves those alone who wait for the one in its place', async () => {
  const { options, find, primary } = fakeCluster();
  const questions = askByHand(primary);
  const read = seeRead(find('nowhere'), { ...options, retryMs: 20_000 });
  await vi.advanceTimersByTimeAsync(1_100);
  questions[0]?.reject(new Error('Connection terminated'));
  await vi.advanceTimersByTimeAsync(100);
  questions[1]?.resolve(positionAt(0));
  await vi.advanceTimersByTimeAsync(10);

  expect((await read).report).toMatchObject({ outcome: 'not_found', attempts: 2 });
});

test('a question that nobody waits for is not asked again', async () => {
  const { options, find, primary } = fakeCluster();
  primary.says = () => new Promise(() => {});
  await Promise.all([
    withReplicaFallback(find('nowhere'), options),
    vi.advanceTimersByTimeAsync(60_000),
  ]);
  expect(primary.asked).toBe(1);
  expect(vi.getTimerCount()).toBe(0);
});
