import { beforeEach, describe, expect, test, vi } from 'vitest';
import { stopTheClock } from '../../support/fake-clock.ts';
import { type FakeCluster, fakeCluster, positionAt } from '../../support/fake-cluster.ts';
import { seeRead } from '../../support/see-read.ts';

beforeEach(stopTheClock);

/** A cluster whose primary has said that it has a thousand entries, none of which the replica has. */
async function farBehind(): Promise<FakeCluster> {
  const cluster = fakeCluster();
  for (let entry = 1; entry <= 1_000; entry++) cluster.write(`o${entry}`);
  await Promise.all([
    seeRead(cluster.find('o1'), { ...cluster.options, retryMs: 10 }),
    vi.advanceTimersByTimeAsync(10),
  ]);
  cluster.primary.asked = cluster.replica.asked = cluster.replica.askedAtOnce = 0;
  return cluster;
}

function readEntry({ find, options }: FakeCluster, entry: number, windowMs: number) {
  const after = positionAt(entry);
  const retryMs = { min: windowMs, max: windowMs };
  return seeRead(find(`o${entry}`), { ...options, after, retryMs });
}

test('a read that has waited for long before it joins does not make those late that have not', async () => {
  const cluster = await farBehind();
  const { find, options, primary, replica } = cluster;
  const answer = Promise.withResolvers<string>();
  primary.says = () => answer.promise;
  const long = seeRead(find('o1000'), { ...options, retryMs: 20_000 });
  await vi.advanceTimersByTimeAsync(900);
  const short = Array.from({ length: 5 }, () => readEntry(cluster, 1, 60));
  await vi.advanceTimersByTimeAsync(5);
  answer.resolve(positionAt(1_000));
  setTimeout(() => (replica.has = 1), 25);
  await vi.advanceTimersByTimeAsync(100);

  const ends = (await Promise.all(short)).map(({ report }) => report.recovery?.catchUp?.end);
  expect(ends).toEqual(Array.from(ends, () => 'caught_up'));
  expect(replica.askedAtOnce).toBe(1);
  replica.has = 1_000;
  await vi.advanceTimersByTimeAsync(5_000);
  expect((await long).report).toMatchObject({ outcome: 'replica_retry' });
});

/** The same, with a replica that can wait by itself. */
async function farBehindAndWaiting() {
  const cluster = await farBehind();
  const { replica } = cluster;
  /** For how long it was asked to wait, each time. */
  const waits: number[] = [];
  replica.waits = async (position, timeoutMs) => {
    waits.push(timeoutMs);
    for (let ms = 0; ms < timeoutMs; ms++) {
      if (replica.has >= Number(position.slice('log-'.length))) return 'reached';
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return replica.has >= Number(position.slice('log-'.length)) ? 'reached' : 'behind';
  };
  return { cluster, waits };
}

describe('where the replica waits by itself', () => {
  test.for([
    ['from the start', 0],
    ['that has waited for long', 700],
  ] as const)('a long read %s makes no short ones late', async ([, headStartMs]) => {
    const { cluster } = await farBehindAndWaiting();
    const { replica } = cluster;
    const long = readEntry(cluster, 1_000, 20_000);
    await vi.advanceTimersByTimeAsync(headStartMs);
    const short: ReturnType<typeof readEntry>[] = [];
    for (let entry = 1; entry <= 40; entry++) {
      short.push(readEntry(cluster, entry, 40));
      setTimeout(() => (replica.has = entry), 20);
      await vi.advanceTimersByTimeAsync(37);
    }
    await vi.advanceTimersByTimeAsync(100);

    const ends = (await Promise.all(short)).map(({ report }) => report.recovery?.catchUp?.end);
    expect(ends.filter((end) => end !== 'caught_up')).toEqual([]);
    expect(replica.askedAtOnce).toBe(1);
    replica.has = 1_000;
    await vi.advanceTimersByTimeAsync(100);
    expect((await long).report).toMatchObject({ outcome: 'replica_retry' });
  });

  test('the lowest position is waited for, whoever came first', async () => {
    const { cluster, waits } = await farBehindAndWaiting();
    const { replica } = cluster;
    const high = readEntry(cluster, 1_000, 200);
    const low = readEntry(cluster, 1, 200);
    setTimeout(() => (replica.has = 1), 75);
    await vi.advanceTimersByTimeAsync(76);

    expect((await low).report).toMatchObject({ outcome: 'replica_retry', durationMs: 75 });
    expect(waits.length).toBeLessThanOrEqual(4);
    replica.has = 1_000;
    await vi.advanceTimersByTimeAsync(60);
    await high;
  });
});
