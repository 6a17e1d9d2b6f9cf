import { type Kysely, sql } from 'kysely';
import { type AttemptContext, ReplicaTimeoutError } from 'kysely-replica-fallback';
import { replicaUnavailable } from 'kysely-replica-fallback/postgres';
import type { PoolConfig } from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Connection } from '../../support/connect.ts';
import { listSleepers } from '../../support/list-sleepers.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { connectThroughProxy } from '../../support/proxied-connection.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { seeRead } from '../../support/see-read.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);
await database.write(addOrder('1'));

type Client = Kysely<OrdersDatabase>;

/** What the README says of the replica's pool: who gets its clients back, and when. */
beforeAll(async () => {
  // Kysely tells the console of a query that ended after it was abandoned, which may be when the test is over.
  vi.spyOn(console, 'error').mockReturnValue();
});
afterAll(async () => {
  vi.restoreAllMocks();
});

const connectReplica = (config: PoolConfig) =>
  connectThroughProxy<OrdersDatabase>(database.cluster.replicas[0].connectionString, config);

describe('a query that ran out of time on the replica', () => {
  test("is cancelled on the server, and its pool has the client back, with 'cancel query'", async () => {
    const replica = await connectReplica({ max: 1 });
    await find(replica.db);

    const { report } = await readSlowly(replica, 'cancel query');

    expect(report.outcome).toBe('primary');
    expect(report.replicaError).toBeInstanceOf(ReplicaTimeoutError);
    await expect.poll(() => listSleepers(database.replica.db)).toEqual([]);
    await expect.poll(() => replica.pool.idleCount).toBe(1);
  });

  test('runs on, and keeps its client from the pool, by default', async () => {
    const replica = await connectReplica({ max: 1 });
    await find(replica.db);

    const { report } = await readSlowly(replica);
    const next = await read(replica);

    expect(report.outcome).toBe('primary');
    expect(next.report.outcome).toBe('primary');
    expect(next.report.replicaError).toBeInstanceOf(ReplicaTimeoutError);
    await expect.poll(() => listSleepers(database.replica.db)).toHaveLength(1);
    const [sleeper] = await listSleepers(database.replica.db);

    await sql`select pg_cancel_backend(${sleeper})`.execute(database.replica.db);
    await expect.poll(() => replica.pool.idleCount).toBe(1);
  });
});

describe('when the replica answers again, on new connections, after a while of silence', () => {
  /** Long enough for the first queries, which are to be answered. */
  const QUERY_TIMEOUT_MS = 2_000;

  test('a pool with a query time-out and pipelining has given up the old ones', async () => {
    const replica = await connectAndSwallow({ query_timeout: QUERY_TIMEOUT_MS, pipeline: true });

    await expect.poll(() => replica.pool.totalCount).toBe(0);

    await expect.poll(() => replica.proxy.open).toBe(0);
    await expect.poll(async () => (await read(replica)).report.outcome).toBe('replica');
  });

  test('a pool with a query time-out alone goes on with the old ones', async () => {
    const replica = await connectAndSwallow({ query_timeout: QUERY_TIMEOUT_MS });

    await expect.poll(() => replica.pool.idleCount).toBe(2);

    const { report } = await read(replica);
    expect(report.outcome).toBe('primary');
    expect(report.replicaError).toBeInstanceOf(ReplicaTimeoutError);
  });

  test('a pool without a query time-out has no client left', async () => {
    const replica = await connectAndSwallow({});

    const { report } = await seeRead(find, optionsWith(replica));

    expect(report).toMatchObject({
      outcome: 'primary',
      replicaError: { message: 'timeout exceeded when trying to connect' },
    });
    expect(replica.pool.idleCount).toBe(0);
  });
});

/** As many connections as the pool may have, and on each of them a query that was swallowed. */
async function connectAndSwallow(config: PoolConfig) {
  const replica = await connectReplica({ max: 2, ...config });
  await Promise.all([find(replica.db), find(replica.db)]);
  expect(replica.pool.idleCount).toBe(2);
  replica.pool.options.connectionTimeoutMillis = 600; // the first ones may take longer
  replica.proxy.blackHole();
  const reads = await Promise.all([read(replica), read(replica)]);
  for (const { report } of reads) expect(report.outcome).toBe('primary');
  await replica.proxy.pass();
  return replica;
}

const optionsWith = (replica: Connection<OrdersDatabase>) => ({
  primary: database.primary.db,
  replica: replica.db,
  isUnavailable: replicaUnavailable,
});

function find(db: Client, { signal }: Partial<AttemptContext> = {}) {
  const inflightQueryAbortStrategy = 'cancel query';
  return findOrder(db, '1').executeTakeFirst({ signal, inflightQueryAbortStrategy });
}

function read(replica: Connection<OrdersDatabase>) {
  return seeRead(find, { ...optionsWith(replica), replicaTimeoutMs: 500 });
}

/** The primary answers at once. The replica is given the time to start: what it has not started it cannot cancel. */
function readSlowly(
  replica: Connection<OrdersDatabase>,
  inflightQueryAbortStrategy?: 'cancel query',
) {
  const sleep = sql`select case when pg_is_in_recovery() then pg_sleep(60) end from orders`;
  return seeRead(
    (db: Client, { signal }) => sleep.execute(db, { signal, inflightQueryAbortStrategy }),
    { ...optionsWith(replica), replicaTimeoutMs: 1_000 },
  );
}
