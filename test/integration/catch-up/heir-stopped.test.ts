import { type Kysely, sql } from 'kysely';
import { createReplicaFallback } from 'kysely-replica-fallback';
import { replicaUnavailable, walCatchUp, walPosition } from 'kysely-replica-fallback/postgres';
import { recordReads, startReplicationCluster } from 'kysely-replica-fallback/testing';
import { afterAll, expect, test } from 'vitest';
import { walSource } from '../../support/wal-source.ts';
import { cascade } from '../../support/cascade.ts';
import { connect } from '../../support/connect.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';

/** Without an upstream, the follower does not tell any more that it has come to the heir's timeline. */

const cluster = await startReplicationCluster({ replicas: 2 });
await cascade(cluster);
const [heir, follower = heir] = cluster.replicas;
const oldPrimary = connect<OrdersDatabase>(cluster.primary.connectionString);
const heirDb = connect<OrdersDatabase>(heir.connectionString);
const followerDb = connect<OrdersDatabase>(follower.connectionString);
afterAll(async () => {
  await Promise.all([oldPrimary.end(), heirDb.end(), followerDb.end()]);
  await cluster.stop();
});
await createOrders(oldPrimary.db);
await addOrder('1', 1)(oldPrimary.db);
await Promise.all(cluster.replicas.map((replica) => replica.waitForReplay()));
await cluster.primary.stop();
await sql`select pg_promote()`.execute(heirDb.db);

const find = (db: Kysely<OrdersDatabase>) => findOrder(db, '1').executeTakeFirst();

test('a follower goes on serving reads after a position when the heir stops soon after the failover', async () => {
  const { onOutcome, outcomes } = recordReads();
  const read = createReplicaFallback({
    primary: heirDb.db,
    replica: followerDb.db,
    catchUp: walCatchUp(),
    isUnavailable: replicaUnavailable,
    onOutcome,
  });
  await heirDb.db.updateTable('orders').set({ version: 2 }).execute();
  const after = await walPosition(heirDb.db);
  const ask = async () => {
    await read(find, { after });
    return outcomes.at(-1);
  };
  await expect.poll(ask).toMatch(/^replica/);

  await heir.stop();
  const receivers = sql`select from pg_stat_wal_receiver`;
  await expect.poll(async () => (await receivers.execute(followerDb.db)).rows).toEqual([]);
  // Its timeline is asked for once a second.
  const until = performance.now() + 1_500;
  while (performance.now() < until) {
    expect(await walSource().replayed(followerDb.db)).toContain(after.split('-')[0]);
    expect(await find(followerDb.db)).toMatchObject({ version: 2 });
    expect(await ask()).toBe('replica');
  }
});
