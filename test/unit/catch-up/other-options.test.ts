import {
  createPrimaryBudget,
  InvalidOptionError,
  type PrimaryBudget,
  PrimaryBudgetExceededError,
  ReplicaBehindError,
  ReplicaTimeoutError,
  type RetryPolicy,
  withReplicaFallback,
} from 'kysely-replica-fallback';
import { createCatchUp, type PositionSource } from 'kysely-replica-fallback/catch-up';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { stopTheClock } from '../../support/fake-clock.ts';
import { type FakeCluster, type FakeQuery, fakeCluster } from '../../support/fake-cluster.ts';
import { seeRead } from '../../support/see-read.ts';

beforeEach(stopTheClock);

/** A read that gets as much time as it takes. */
async function read({ find, options }: FakeCluster, id: string, more: object, query = find(id)) {
  const [seen] = await Promise.all([
    seeRead(query, { ...options, ...more }),
    vi.advanceTimersByTimeAsync(1000),
  ]);
  return seen.report;
}

/** A cluster whose replica has a row after so many milliseconds. */
function clusterBehindBy(ms: number): FakeCluster {
  const cluster = fakeCluster();
  cluster.write('o1');
  setTimeout(cluster.replay, ms);
  return cluster;
}

describe('retryMs', () => {
  test.for<[string, unknown, number]>([
    ['a number', 80, 80],
    ['bounds', { min: 10, max: 80 }, 80],
    ['bounds without a min', { max: 80 }, 80],
    ['nothing', undefined, 200],
    ['a policy', { delays: () => [10, 30, 40] }, 80],
  ])(
    'as %s bounds the wait, whatever the jitter would have been',
    async ([, retryMs, windowMs]) => {
      const inTime = await read(clusterBehindBy(windowMs * 0.8), 'o1', { retryMs });
      const late = await read(clusterBehindBy(windowMs + 1), 'o1', { retryMs });

      expect(inTime).toMatchObject({ outcome: 'replica_retry', attempts: 2 });
      expect(late).toMatchObject({
        outcome: 'primary',
        attempts: 2,
        durationMs: windowMs,
        recovery: { catchUp: { end: 'late', waitMs: windowMs } },
      });
    },
  );

  test.for<[string, unknown]>([
    ['0', 0],
    ['a max of 0', { max: 0 }],
    ['a policy without delays', { delays: () => [] }],
  ])('as %s goes to the primary at once, and asks nobody where it is', async ([, retryMs]) => {
    const cluster = clusterBehindBy(10);

    const report = await read(cluster, 'o1', { retryMs });

    expect(report).toMatchObject({ outcome: 'primary', attempts: 2, durationMs: 0 });
    expect(report.recovery).not.toHaveProperty('catchUp');
    expect([cluster.primary.asked, cluster.replica.asked]).toEqual([0, 0]);
  });

  test('as 0 goes to the primary at once when the replica is behind a position', async () => {
    const cluster = clusterBehindBy(10);

    const report = await read(cluster, 'o1', { retryMs: 0, after: 'log-1' });

    expect(report).toMatchObject({ outcome: 'primary', durationMs: 0 });
    expect(cluster.asked).toEqual(['primary as primary']);
  });

  test('as a policy is told how the read ended', async () => {
    const settled: unknown[] = [];
    const retryMs: RetryPolicy = {
      delays: () => [80],
      settle: (report, recovery) => void settled.push({ report, recovery }),
    };

    const report = await read(clusterBehindBy(30), 'o1', { retryMs });

    expect(settled).toEqual([{ report, recovery: { operation: undefined, cause: 'miss' } }]);
    expect(report).toMatchObject({ recovery: { catchUp: { end: 'caught_up' } } });
  });

  test('as a policy without an end bounds the wait by a hundred delays', async () => {
    const retryMs: RetryPolicy = {
      *delays() {
        for (;;) yield 1;
      },
    };

    expect(await read(fakeCluster(), 'nowhere', { retryMs })).toMatchObject({
      outcome: 'not_found',
    });
    expect(await read(clusterBehindBy(500), 'o1', { retryMs })).toMatchObject({ durationMs: 100 });
  });

  test('as a policy that throws ends the read with what it throws', async () => {
    const error = new Error('The policy is broken.');
    const retryMs: RetryPolicy = {
      delays() {
        throw error;
      },
    };

    expect(await read(clusterBehindBy(30), 'o1', { retryMs })).toMatchObject({
      outcome: 'error',
      error,
    });
  });
});

function countingBudget(tokens: number) {
  const counts = { deposits: 0, withdrawals: 0 };
  const budget: PrimaryBudget = {
    deposit: () => void counts.deposits++,
    withdraw: () => counts.withdrawals++ < tokens,
  };
  return { budget, counts };
}

describe('primaryBudget', () => {
  test('is not needed for a position query, nor for a replica that has caught up', async () => {
    const { budget, counts } = countingBudget(0);
    const more = { primaryBudget: budget };

    expect(await read(clusterBehindBy(30), 'o1', more)).toMatchObject({ outcome: 'replica_retry' });
    expect(await read(fakeCluster(), 'nowhere', more)).toMatchObject({ outcome: 'not_found' });
    expect(await read(fakeCluster(), 'nowhere', { ...more, after: 'now' })).toMatchObject({
      outcome: 'not_found',
    });
    expect(counts).toEqual({ deposits: 3, withdrawals: 0 });
  });

  test('rejects a read that the replica is too late for, with what the replica lacked', async () => {
    const primaryBudget = createPrimaryBudget({ ratio: 0, minPerSecond: 0 });
    const cluster = clusterBehindBy(500);

    const report = await read(cluster, 'o1', { primaryBudget, after: 'log-1' });

    expect(report).toMatchObject({ outcome: 'rejected', recovery: { catchUp: { end: 'late' } } });
    expect(report.error).toBeInstanceOf(PrimaryBudgetExceededError);
    const { attempt } = report.error as PrimaryBudgetExceededError;
    expect(attempt).toMatchObject({ ok: false, error: expect.any(ReplicaBehindError) });
  });

  test('rejects a read after a position that the primary does not give, and says that nobody knows', async () => {
    const primaryBudget = createPrimaryBudget({ ratio: 0, minPerSecond: 0 });
    const cluster = fakeCluster();
    cluster.primary.says = async () => undefined;

    const report = await read(cluster, 'o1', { primaryBudget, after: 'now' });

    const { attempt } = report.error as PrimaryBudgetExceededError;
    expect(attempt).toMatchObject({
      ok: false,
      error: { name: 'ReplicaBehindError', reach: 'unknown' },
      source: 'replica',
    });
  });
});

test('reads of one coalesceKey that are all too late share one query on the primary', async () => {
  const { options, asked, find, write } = fakeCluster();
  write('o1');
  const query: FakeQuery = async (db, attempt) => {
    const row = await find('o1')(db, attempt);
    if (attempt.source === 'primary') await new Promise((resolve) => setTimeout(resolve, 10));
    return row;
  };
  const more = { operation: 'order_by_id', coalesceKey: 'o1' };

  const [reports] = await Promise.all([
    Promise.all(Array.from({ length: 5 }, () => seeRead(query, { ...options, ...more }))),
    vi.advanceTimersByTimeAsync(210),
  ]);

  expect(asked.filter((who) => who === 'primary as primary')).toHaveLength(1);
  expect(reports.filter(({ report }) => report.coalesced)).toHaveLength(4);
  for (const { report } of reports) {
    expect(report).toMatchObject({ outcome: 'primary', recovery: { catchUp: { end: 'late' } } });
  }
});

const never: FakeQuery = () => new Promise(() => {});

describe('replicaTimeoutMs', () => {
  test('bounds the check together with the query', async () => {
    const cluster = clusterBehindBy(0);
    cluster.replica.says = () => new Promise((resolve) => setTimeout(resolve, 100, 'log-1'));

    expect(await read(cluster, 'o1', { after: 'log-1', replicaTimeoutMs: 50 })).toMatchObject({
      outcome: 'primary',
      durationMs: 50,
      replicaError: expect.any(ReplicaTimeoutError),
      recovery: { cause: 'failure', misses: 0, failures: 1 },
    });
  });

  test('bounds the attempt after the wait', async () => {
    const cluster = clusterBehindBy(30);
    const query: FakeQuery = (db, attempt) =>
      attempt.source === 'replica_retry' ? never(db, attempt) : cluster.find('o1')(db, attempt);

    const report = await read(cluster, 'o1', { replicaTimeoutMs: 50 }, query);

    expect(report).toMatchObject({
      outcome: 'primary',
      attempts: 3,
      replicaError: expect.any(ReplicaTimeoutError),
      recovery: { misses: 1, failures: 1, catchUp: { end: 'caught_up' } },
    });
  });

  test('does not bound the wait', async () => {
    expect(await read(clusterBehindBy(150), 'o1', { replicaTimeoutMs: 10 })).toMatchObject({
      outcome: 'replica_retry',
    });
  });
});

test('an error of the attempt after the wait ends the read as it is', async () => {
  const cluster = clusterBehindBy(30);
  const error = new Error('syntax error');
  const query: FakeQuery = async (db, attempt) => {
    if (attempt.source === 'replica_retry') throw error;
    return cluster.find('o1')(db, attempt);
  };

  const report = await read(cluster, 'o1', {}, query);

  expect(report).toMatchObject({ outcome: 'error', failedDuring: 'replica_retry', attempts: 2 });
  expect(report.error).toBe(error);
});

test('a query that was not executed is a mistake of the caller, also behind a check', async () => {
  const { options, write, replay } = fakeCluster();
  const after = write('o1');
  replay();
  const builder = { toOperationNode: () => ({}) };
  const readBuilder = (query: () => unknown) =>
    withReplicaFallback(query as never, { ...options, after });

  await expect(readBuilder(() => builder)).rejects.toThrow(InvalidOptionError);
  await expect(readBuilder(async () => builder)).rejects.toThrow(InvalidOptionError);
});

test('a query that is checked runs on the client that the source has pinned', async () => {
  const pinned = { name: 'pinned' };
  const source = {
    position: async () => '1',
    replayed: async () => '1',
    compare: () => 'reached',
    runAt: (_replica, _position, query) => query(pinned),
  } satisfies PositionSource<object>;

  const client = await withReplicaFallback<object, unknown>(async (db) => db, {
    primary: {},
    replica: {},
    catchUp: createCatchUp<object>(source),
    after: 'now',
  });

  expect(client).toBe(pinned);
});
