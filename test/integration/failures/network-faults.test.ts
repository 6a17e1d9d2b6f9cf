import { type Kysely, sql } from 'kysely';
import { type AttemptContext, ReplicaTimeoutError } from 'kysely-replica-fallback';
import { replicaUnavailable } from 'kysely-replica-fallback/postgres';
import type { PoolConfig } from 'pg';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import type { Connection } from '../../support/connect.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { connectThroughProxy } from '../../support/proxied-connection.ts';
import { seeRead } from '../../support/see-read.ts';
import type { TcpProxy } from '../../support/tcp-proxy.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);
await database.write(addOrder('1'));

/** What the network between a service and its replica does to a read. */

// Kysely tells the console of a query that ended after it was abandoned, which is when the test is over.
beforeAll(() => void vi.spyOn(console, 'error').mockReturnValue());
afterAll(() => void vi.restoreAllMocks());

/** A fault lasts until the test is over, so a read that ends at all did not wait for the end of the fault. */
const BOUND_MS = 500;
/** For a replica that has to answer within it, although it stands still for a moment. */
const AMPLE_MS = 2_000;
const LATE_MS = 10_000;

const connectReplica = (config?: PoolConfig) =>
  connectThroughProxy<OrdersDatabase>(database.cluster.replicas[0].connectionString, config);

const optionsWith = (replica: Connection<OrdersDatabase>) => ({
  primary: database.primary.db,
  replica: replica.db,
  isUnavailable: replicaUnavailable,
});

const find = (db: Kysely<OrdersDatabase>, { signal }: Partial<AttemptContext> = {}) =>
  findOrder(db, '1').executeTakeFirst({ signal });

/** Leaves the pool with one connection, which is idle. */
const warmUp = (replica: Connection<OrdersDatabase>) => find(replica.db);

function countTimers(): number {
  return process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
}

/** Half a megabyte. */
async function findMany(db: Kysely<OrdersDatabase>): Promise<string[]> {
  const { rows } = await sql<{ servedBy: string }>`
    select case when pg_is_in_recovery() then 'replica' else 'primary' end as "servedBy",
      repeat('x', 100) from generate_series(1, 5000)`.execute(db);
  return rows.map(({ servedBy }) => servedBy);
}

const SERVED_BY_PRIMARY = { status: 'fulfilled', value: { id: '1', servedBy: 'primary' } };

test('is served by the primary at once when the connection is refused, and leaves nothing behind', async () => {
  const replica = await connectReplica();
  replica.proxy.refuse();
  await find(database.primary.db);
  const timers = countTimers();

  const { result, asked, thrown, report } = await seeRead(find, {
    ...optionsWith(replica),
    replicaTimeoutMs: LATE_MS,
  });

  expect(result).toMatchObject(SERVED_BY_PRIMARY);
  expect(asked).toEqual(['replica', 'primary']);
  expect(report).toMatchObject({ outcome: 'primary', replicaError: { code: 'ECONNREFUSED' } });
  expect(thrown).toEqual([report.replicaError]);
  expect(report.durationMs).toBeLessThan(LATE_MS);
  expect(replica.pool.totalCount).toBe(0);
  await expect.poll(countTimers).toBeLessThanOrEqual(timers);
});

test('is served by the primary when the connection is reset in the middle of a large result', async () => {
  const replica = await connectReplica();
  await warmUp(replica);
  replica.proxy.resetAfter(200_000);

  const { result, asked, report } = await seeRead(findMany, optionsWith(replica));

  expect(result).toEqual({ status: 'fulfilled', value: Array(5000).fill('primary') });
  expect(asked).toEqual(['replica', 'primary']);
  expect(report).toMatchObject({ outcome: 'primary', replicaError: { code: 'ECONNRESET' } });
  expect(replica.pool.totalCount).toBe(0);
});

test("is served by the primary, after the pool's connect time-out, when the replica does not answer a new connection", async () => {
  const replica = await connectReplica({ connectionTimeoutMillis: BOUND_MS });
  replica.proxy.blackHole();

  const { result, asked, report } = await seeRead(find, optionsWith(replica));

  expect(result).toMatchObject(SERVED_BY_PRIMARY);
  expect(asked).toEqual(['replica', 'primary']);
  expect(report).toMatchObject({
    outcome: 'primary',
    replicaError: { message: expect.stringMatching(/timeout/) },
  });
  expectBounded(report.durationMs);
  expect(replica.proxy.accepted).toBe(1);
  expect(replica.pool.totalCount).toBe(0);
  await expect.poll(() => replica.proxy.open).toBe(0);
});

test.for([
  {
    fault: 'a new connection',
    prepare: async () => {},
    strike: (proxy: TcpProxy) => proxy.blackHole(),
  },
  { fault: 'an open connection', prepare: warmUp, strike: (proxy: TcpProxy) => proxy.blackHole() },
  {
    fault: 'a connection that is half-open',
    prepare: warmUp,
    strike: (proxy: TcpProxy) => proxy.loseServer(),
  },
])(
  'is served by the primary, after `replicaTimeoutMs`, when the replica does not answer $fault',
  async ({ prepare, strike }) => {
    const replica = await connectReplica();
    await prepare(replica);
    strike(replica.proxy);

    const { result, asked, report } = await seeRead(find, {
      ...optionsWith(replica),
      replicaTimeoutMs: BOUND_MS,
    });

    expect(result).toMatchObject(SERVED_BY_PRIMARY);
    expect(asked).toEqual(['replica', 'primary']);
    expect(report).toMatchObject({ outcome: 'primary', attempts: 2 });
    expect(report.replicaError).toBeInstanceOf(ReplicaTimeoutError);
    expectBounded(report.durationMs);
    expect(replica.proxy.accepted).toBe(1);
  },
);

test('is served by the replica again, on a new connection, after one that is half-open timed out', async () => {
  const replica = await connectReplica();
  await warmUp(replica);
  replica.proxy.loseServer();
  const options = optionsWith(replica);
  await seeRead(find, { ...options, replicaTimeoutMs: BOUND_MS });

  const { result, report } = await seeRead(find, { ...options, replicaTimeoutMs: LATE_MS });

  expect(result).toMatchObject({ status: 'fulfilled', value: { servedBy: 'replica' } });
  expect(report).toMatchObject({ outcome: 'replica', attempts: 1 });
  expect(replica.proxy.accepted).toBe(2);
});

test.for([
  {
    fault: 'cuts the connection',
    id: 'cut',
    strike: (proxy: TcpProxy) => proxy.refuse(),
    isExpected: replicaUnavailable,
  },
  {
    fault: 'does not answer any more',
    id: 'swallowed',
    strike: (proxy: TcpProxy) => proxy.blackHole(),
    isExpected: (error: unknown) => error instanceof ReplicaTimeoutError,
  },
])(
  'is served by the primary when the replica misses first and then $fault',
  async ({ id, strike, isExpected }) => {
    await database.holdBack();
    onTestFinished(() => database.catchUp());
    await database.write(addOrder(id));
    const replica = await connectReplica();
    await warmUp(replica);

    const { result, asked, report } = await seeRead(
      (db: Kysely<OrdersDatabase>, { source, signal }) => {
        if (source === 'replica_retry') strike(replica.proxy);
        return findOrder(db, id).executeTakeFirst({ signal });
      },
      { ...optionsWith(replica), retryMs: 1, replicaTimeoutMs: AMPLE_MS },
    );

    expect(result).toMatchObject({ status: 'fulfilled', value: { id, servedBy: 'primary' } });
    expect(asked).toEqual(['replica', 'replica_retry', 'primary']);
    expect(report).toMatchObject({ outcome: 'primary', attempts: 3 });
    expect(report.replicaError).toSatisfy(isExpected);
    expect(report.durationMs).toBeLessThan(LATE_MS);
  },
);

test('is served by the second replica when the first does not answer, and the primary is not asked', async () => {
  const replicas = [await connectReplica(), await connectReplica()];
  await Promise.all(replicas.map(warmUp));
  const primaryQueries = database.primary.queries.length;
  const proxyOf = new Map(replicas.map(({ db, proxy }) => [db, proxy]));

  const { result, asked, report } = await seeRead(
    (db: Kysely<OrdersDatabase>, attempt) => {
      // Whichever the read starts on.
      if (attempt.source === 'replica') proxyOf.get(db)?.blackHole();
      return find(db, attempt);
    },
    {
      primary: database.primary.db,
      replica: replicas.map(({ db }) => db),
      isUnavailable: replicaUnavailable,
      replicaTimeoutMs: AMPLE_MS,
    },
  );

  expect(result).toMatchObject({ status: 'fulfilled', value: { servedBy: 'replica' } });
  expect(asked).toEqual(['replica', 'replica_retry']);
  expect(database.primary.queries).toHaveLength(primaryQueries);
  expect(report).toMatchObject({ outcome: 'replica_retry', attempts: 2 });
  expect(report.replicaError).toBeInstanceOf(ReplicaTimeoutError);
  expectBounded(report.durationMs, AMPLE_MS);
});

/** Not before the time-out, and not so late that something else must have ended it. */
function expectBounded(durationMs: number, boundMs = BOUND_MS): void {
  expect(durationMs).toBeGreaterThan(boundMs * 0.9);
  expect(durationMs).toBeLessThan(LATE_MS);
}
