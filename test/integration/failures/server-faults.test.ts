import { type Kysely, sql } from 'kysely';
import { anyOf } from 'kysely-replica-fallback';
import { replicaUnavailable } from 'kysely-replica-fallback/postgres';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import { Client, type PoolConfig } from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { type Connection, connect } from '../../support/connect.ts';
import { listSleepers } from '../../support/list-sleepers.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { seeRead } from '../../support/see-read.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders, startReplicationCluster);
await database.write(addOrder('1'));

/** What a standby, and the pool before it, do to a read that was sent there. */

const standby = () => database.cluster.replicas[0];

/** A pool of the standby's own for the read under test, so that all that is in it comes from that. */
function connectReplica(config: PoolConfig = {}): Connection<OrdersDatabase> {
  const replica = connect<OrdersDatabase>(standby().connectionString, config);
  onTestFinished(() => replica.end());
  return replica;
}

function optionsWith(replica: Connection<OrdersDatabase>, isUnavailable = replicaUnavailable) {
  return { primary: database.primary.db, replica: replica.db, isUnavailable };
}

const find = (db: Kysely<OrdersDatabase>) => findOrder(db, '1').executeTakeFirst();

/** Answers at once on the primary. On a standby it holds a lock on `table`, and sleeps. */
const findSlowly =
  (table = 'orders') =>
  async (db: Kysely<OrdersDatabase>) => {
    const { rows } = await sql<{ servedBy: string }>`
      select case when pg_is_in_recovery() then pg_sleep(60)::text else 'primary' end as "servedBy",
        (select count(*) from ${sql.table(table)})`.execute(db);
    return rows[0]?.servedBy;
  };

/** Resolves when a query sleeps on the standby. */
async function waitForSleeper(): Promise<void> {
  await expect.poll(() => listSleepers(database.replica.db)).toHaveLength(1);
}

/** Resolves when no query holds a client of the pool, or waits for one. */
async function waitForIdle({ pool }: Connection<OrdersDatabase>): Promise<void> {
  const busy = () => pool.totalCount - pool.idleCount + pool.waitingCount;
  await expect.poll(busy).toBe(0);
}

async function runOnStandby(...statements: string[]): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(database.replica.db);
}

/** What the standby says to who wants to connect. */
async function refusal(): Promise<unknown> {
  const client = new Client(standby().connectionString);
  client.on('error', () => {});
  try {
    await client.connect();
    await client.end();
    return undefined;
  } catch (error) {
    return error;
  }
}

test.for([
  {
    fault: 'is killed',
    strike: () => standby().kill(),
    error: { message: 'Connection terminated unexpectedly' },
  },
  { fault: 'shuts down', strike: () => standby().stop(), error: { code: '57P01' } },
])(
  'is served by the primary when the replica $fault under the query',
  async ({ strike, error }) => {
    onTestFinished(() => standby().start());
    const replica = connectReplica();
    const primaryQueries = database.primary.queries.length;

    const reading = seeRead(findSlowly(), optionsWith(replica));
    await waitForSleeper();
    await strike();
    const { result, asked, thrown, report } = await reading;

    expect(result).toEqual({ status: 'fulfilled', value: 'primary' });
    expect(asked).toEqual(['replica', 'primary']);
    expect(database.primary.queries).toHaveLength(primaryQueries + 1);
    expect(report).toMatchObject({ outcome: 'primary', attempts: 2, replicaError: error });
    expect(thrown).toEqual([report.replicaError]);
    await waitForIdle(replica);
    expect(replica.pool.totalCount).toBe(0);
  },
);

test('is served by the primary when the query keeps the replica from replaying', async () => {
  await database.write((db) => sql`create table locked ()`.execute(db));
  await runOnStandby('alter system set max_standby_streaming_delay = 0', 'select pg_reload_conf()');
  onTestFinished(() =>
    runOnStandby('alter system reset max_standby_streaming_delay', 'select pg_reload_conf()'),
  );
  const replica = connectReplica();

  const reading = seeRead(findSlowly('locked'), optionsWith(replica));
  await waitForSleeper();
  await database.write((db) => sql`truncate locked`.execute(db));
  const { result, asked, report } = await reading;

  expect(result).toEqual({ status: 'fulfilled', value: 'primary' });
  expect(asked).toEqual(['replica', 'primary']);
  expect(report).toMatchObject({
    outcome: 'primary',
    attempts: 2,
    replicaError: { code: '40001', message: expect.stringContaining('conflict with recovery') },
  });
  await waitForIdle(replica);
});

/** A standby that has lost its WAL waits for the primary's before it lets anyone in: until the slot it needs is there. */
async function startWithoutWal(): Promise<void> {
  await runOnStandby(
    `alter system set primary_slot_name = 'gate'`,
    `copy (select) to program 'rm pg_wal/0*'`,
  );
  await standby().kill();
  const started = standby().start();
  onTestFinished(async () => {
    await sql`select pg_create_physical_replication_slot('gate')`.execute(database.primary.db);
    await started;
    await runOnStandby('alter system reset primary_slot_name', 'select pg_reload_conf()');
    const drop = () => sql`select pg_drop_replication_slot('gate')`.execute(database.primary.db);
    await expect.poll(drop).toBeDefined();
  });
}

/** A smart shutdown lets in no one, and waits for who is there: until the session ends. */
async function shutDownSmartly(): Promise<void> {
  const session = new Client(standby().connectionString);
  session.on('error', () => {});
  onTestFinished(async () => {
    await standby().restart();
    await session.end();
  });
  await session.connect();
  await session.query(`copy (select) to program 'kill -TERM $(head -n 1 postmaster.pid)'`);
}

test.for([
  { state: 'starts up', enter: startWithoutWal },
  { state: 'waits for its sessions to shut down', enter: shutDownSmartly },
])('is served by the primary while the replica $state', async ({ enter }) => {
  const replica = connectReplica();
  await enter();
  await expect.poll(refusal).toMatchObject({ code: '57P03' });

  const { result, asked, report } = await seeRead(find, optionsWith(replica));

  expect(result).toMatchObject({ status: 'fulfilled', value: { servedBy: 'primary' } });
  expect(asked).toEqual(['replica', 'primary']);
  expect(report).toMatchObject({
    outcome: 'primary',
    attempts: 2,
    replicaError: { code: '57P03' },
  });
  expect(replica.pool.totalCount).toBe(0);
});

test('is served by the primary when the pool has no connection in time', async () => {
  const replica = connectReplica({ max: 1 });

  const { result, asked, report } = await replica.db.connection().execute(() => {
    replica.pool.options.connectionTimeoutMillis = 100; // the first one may take longer
    return seeRead(find, optionsWith(replica));
  });

  expect(result).toMatchObject({ status: 'fulfilled', value: { servedBy: 'primary' } });
  expect(asked).toEqual(['replica', 'primary']);
  expect(report).toMatchObject({
    outcome: 'primary',
    replicaError: { message: 'timeout exceeded when trying to connect' },
  });
  expect(report.durationMs).toBeGreaterThan(90);
  expect(report.durationMs).toBeLessThan(5_000);
  await waitForIdle(replica);
});

test('rejects with the error of a statement time-out, and does not ask the primary', async () => {
  const replica = connectReplica({ statement_timeout: 100 });
  const primaryQueries = database.primary.queries.length;

  const { result, asked, thrown, report } = await seeRead(findSlowly(), optionsWith(replica));

  expect(asked).toEqual(['replica']);
  expect(database.primary.queries).toHaveLength(primaryQueries);
  expect(thrown).toMatchObject([{ code: '57014' }]);
  expect(result).toEqual({ status: 'rejected', reason: thrown[0] });
  expect(report).toMatchObject({ outcome: 'error', attempts: 1, failedDuring: 'replica' });
  expect(report).not.toHaveProperty('replicaError');
  await waitForIdle(replica);
});

test('is served by the primary after a statement time-out that a classifier of your own calls a failure', async () => {
  const replica = connectReplica({ statement_timeout: 100 });
  const { result, report } = await seeRead(
    findSlowly(),
    optionsWith(replica, anyOf(replicaUnavailable, isCancelled)),
  );

  expect(result).toEqual({ status: 'fulfilled', value: 'primary' });
  expect(report).toMatchObject({ outcome: 'primary', replicaError: { code: '57014' } });
});

function isCancelled(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '57014';
}
