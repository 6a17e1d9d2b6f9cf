import { diag } from '@opentelemetry/api';
import { createReplicaFallback, withReplicaFallback } from 'kysely-replica-fallback';
import { createCausalSession } from 'kysely-replica-fallback/postgres';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { stopTheClock } from '../../support/fake-clock.ts';
import { type FakeCluster, fakeCluster, type FakeServer } from '../../support/fake-cluster.ts';
import { inMemoryMetrics } from '../../support/in-memory-metrics.ts';
import { recordDiagnostics } from '../../support/recording-diagnostics.ts';
import { recordingLogger } from '../../support/recording-logger.ts';
import { seeRead } from '../../support/see-read.ts';
import { unhandledRejectionsOf } from '../../support/unhandled-rejections.ts';

beforeEach(stopTheClock);

const READS = 'replica_fallback.reads';
const MISSES = 'replica_fallback.replica_miss';
const DURATION = 'replica_fallback.catch_up.duration';
const POSITION_QUERIES = 'replica_fallback.position_queries';
const WATCH_QUERIES = 'replica_fallback.watch_queries';

/** A read that gets as much time as it takes. */
async function read({ find, options }: FakeCluster, id: string, more: object = {}) {
  const [seen] = await Promise.all([
    seeRead(find(id), { ...options, ...more }),
    vi.advanceTimersByTimeAsync(1000),
  ]);
  return seen.report;
}

/** A cluster whose replica takes two questions to be there: from 0 to 14 ms after the first miss, and from 15 to 30. */
function clusterBehindBy30Ms(): FakeCluster {
  const cluster = fakeCluster();
  const answers = [slowly(14, 'log-0'), slowly(15, cluster.write('o1'))];
  cluster.replica.says = () => (answers.shift() ?? (async () => 'log-1'))();
  setTimeout(cluster.replay, 29);
  return cluster;
}

const slowly = (ms: number, answer: string) => () =>
  new Promise<string>((resolve) => setTimeout(resolve, ms, answer));

describe('the report of a read', () => {
  test('says what it waited for and how long, in all, and nothing about that when it did not wait', async () => {
    const cluster = clusterBehindBy30Ms();

    expect(await read(cluster, 'o1')).toStrictEqual({
      operation: undefined,
      outcome: 'replica_retry',
      attempts: 2,
      durationMs: 30,
      recovery: {
        cause: 'miss',
        misses: 1,
        failures: 0,
        durationMs: 30,
        catchUp: { waitedFor: 'existence', end: 'caught_up', waitMs: 30 },
      },
    });
    expect(await read(cluster, 'o1')).toStrictEqual({
      operation: undefined,
      outcome: 'replica',
      attempts: 1,
      durationMs: 0,
    });
  });

  test('does not count the attempts into the wait', async () => {
    const { options, find, write, replay } = fakeCluster();
    write('o1');

    const [{ report }] = await Promise.all([
      seeRead(async (db, attempt) => {
        await new Promise((resolve) => setTimeout(resolve, 50));
        const row = await find('o1')(db, attempt);
        replay();
        return row;
      }, options),
      vi.advanceTimersByTimeAsync(200),
    ]);

    expect(report).toMatchObject({
      durationMs: 100,
      recovery: { durationMs: 50, catchUp: { end: 'caught_up', waitMs: 0 } },
    });
  });

  test('is the one that the logger gets when the primary had to serve the read', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    const logger = recordingLogger();

    const report = await read(cluster, 'o1', { logger });

    expect(logger.lines).toEqual([
      {
        level: 'warn',
        message: 'The primary served a read that the replica missed.',
        fields: report,
      },
    ]);
    expect(report).toMatchObject({ recovery: { catchUp: { end: 'late' } } });
  });

  test('is not logged when the replica had the last word', async () => {
    const logger = recordingLogger();

    await read(clusterBehindBy30Ms(), 'o1', { logger });
    await read(fakeCluster(), 'nowhere', { logger });
    await read(fakeCluster(), 'nowhere', { logger, after: 'now' });

    expect(logger.lines).toEqual([]);
  });
});

describe('the metrics', () => {
  test('of a hit are a read, and nothing else', async () => {
    const { meter, collect } = inMemoryMetrics();
    const cluster = fakeCluster();
    cluster.write('o1');
    cluster.replay();

    await read(cluster, 'o1', { meter });
    await createCausalSession(createReplicaFallback({ ...cluster.options, meter })).read(
      cluster.find('o1'),
    );

    expect(await collect()).toStrictEqual({
      [READS]: { unit: '{read}', points: [[{ outcome: 'replica' }, 2]] },
    });
  });

  test('tell how long a replica was behind, in seconds', async () => {
    const { meter, collect, recordings } = inMemoryMetrics();

    await read(clusterBehindBy30Ms(), 'o1', { meter, operation: 'order_by_id' });

    const { [DURATION]: durations } = await collect();
    expect(durations).toStrictEqual({
      unit: 's',
      points: [[{ waited_for: 'existence', end: 'caught_up', operation: 'order_by_id' }, 1]],
    });
    expect(await recordings(DURATION)).toMatchObject([{ count: 1, sum: 0.03 }]);
  });

  test('tell what reads waited for, and how that ended', async () => {
    const { meter, collect } = inMemoryMetrics();
    const cluster = fakeCluster();
    cluster.write('o1');
    await read(cluster, 'o1', { meter });
    await read(cluster, 'o1', { meter, after: 'now' });
    cluster.replica.says = async () => undefined;
    await read(cluster, 'o1', { meter });

    const { [DURATION]: durations } = await collect();
    expect(durations?.points).toStrictEqual([
      [{ waited_for: 'existence', end: 'late' }, 1],
      [{ waited_for: 'after', end: 'hopeless' }, 1],
      [{ waited_for: 'existence', end: 'unknown' }, 1],
    ]);
  });

  test('count the queries that asked for positions, each by one of the reads that it served', async () => {
    const { meter, collect } = inMemoryMetrics();
    const cluster = clusterBehindBy30Ms();
    const { find, options, primary, replica } = cluster;
    const reads = Array.from({ length: 100 }, () =>
      withReplicaFallback(find('o1'), { ...options, meter }),
    );
    await Promise.all([...reads, vi.advanceTimersByTimeAsync(100)]);

    expect([primary.asked, replica.asked]).toEqual([1, 2]);
    expect(await collect()).toMatchObject({
      [POSITION_QUERIES]: { unit: '{query}', points: [[{}, 1]] },
      [WATCH_QUERIES]: { unit: '{query}', points: [[{}, 2]] },
    });
  });

  test('count the query that a session asks for its position', async () => {
    const { meter, collect } = inMemoryMetrics();
    const { options } = fakeCluster();
    const session = createCausalSession(createReplicaFallback<FakeServer>({ ...options, meter }));
    session.wrote();

    expect(await session.position()).toBe('log-0');
    expect(await collect()).toMatchObject({ [POSITION_QUERIES]: { points: [[{}, 1]] } });
  });

  test('count no miss of a row that is nowhere, and one of a row that the replica had a little later', async () => {
    const { meter, collect } = inMemoryMetrics();

    await read(fakeCluster(), 'nowhere', { meter });
    expect(await collect()).not.toHaveProperty([MISSES]);

    await read(clusterBehindBy30Ms(), 'o1', { meter });
    expect(await collect()).toMatchObject({
      [READS]: {
        points: [
          [{ outcome: 'not_found' }, 1],
          [{ outcome: 'replica_retry' }, 1],
        ],
      },
      [MISSES]: { points: [[{ outcome: 'replica_retry' }, 1]] },
    });
  });
});

const broken = new Error('The observer is broken.');
const throwsAtOnce = () => {
  throw broken;
};
const { meter } = inMemoryMetrics();
const instrument = { add: throwsAtOnce, record: throwsAtOnce };
const meterWith = (methods: object): typeof meter =>
  Object.assign(Object.create(meter) as typeof meter, methods);

test.for<[string, object]>([
  ['a meter', { meter: meterWith({ createHistogram: throwsAtOnce }) }],
  ['a counter', { meter: meterWith({ createCounter: () => instrument }) }],
  ['a histogram', { meter: meterWith({ createHistogram: () => instrument }) }],
])(
  'a read is answered all the same when %s throws, and the diagnostics hear of it',
  async ([, more]) => {
    const diagnostics = recordDiagnostics();
    const unhandled = await unhandledRejectionsOf(async () => {
      expect(await read(clusterBehindBy30Ms(), 'o1', more)).toMatchObject({
        outcome: 'replica_retry',
        durationMs: 30,
      });
    });
    expect(unhandled).toEqual([]);
    expect(diagnostics).toContainEqual([expect.stringContaining('an observer threw'), broken]);
  },
);

test('a read that cannot know its position is answered all the same when the diagnostics throw', async () => {
  diag.setLogger({
    error: throwsAtOnce,
    warn: throwsAtOnce,
    info: throwsAtOnce,
    debug: throwsAtOnce,
    verbose: throwsAtOnce,
  });
  for (const spoil of ['primary', 'replica'] as const) {
    const cluster = fakeCluster();
    cluster.write('o1');
    cluster[spoil].says = () => Promise.reject(broken);

    expect(await read(cluster, 'o1')).toMatchObject({ outcome: 'primary' });
  }
});

afterEach(() => {
  diag.disable();
});
