import { sql } from 'kysely';
import { createReplicaFallback } from 'kysely-replica-fallback';
import { createCausalSession, walCatchUp } from 'kysely-replica-fallback/postgres';
import { afterAll, expect, test } from 'vitest';
import { connect } from '../../support/connect.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);
await database.write(addOrder('1'), async (db) => {
  await sql`drop role if exists reader`.execute(db);
  await sql`create role reader`.execute(db);
  await sql`grant select on orders to reader`.execute(db);
  await sql`revoke execute on function pg_last_wal_replay_lsn() from public`.execute(db);
});

/** Its role may read the orders, and not ask what is replayed. Amazon Aurora refuses that to all. */
const address = new URL(database.cluster.replicas[0].connectionString);
address.searchParams.set('options', '-c role=reader');
const replica = connect<OrdersDatabase>(address.href);
afterAll(() => replica.end());

test.for(['transaction', 'connection'] as const)(
  'a session reads from a replica that refuses to tell what it has replayed, with `pin: %j`',
  async (pin) => {
    const catchUp = walCatchUp({ pin });
    const read = createReplicaFallback({
      primary: database.primary.db,
      replica: replica.db,
      catchUp,
    });
    const session = createCausalSession(read);
    const find = () => session.read((db) => findOrder(db, '1').executeTakeFirst());

    expect(await find()).toMatchObject({ servedBy: 'replica' });
    expect(await find()).toMatchObject({ servedBy: 'primary' }); // which is never behind
    expect(await session.position()).toBeDefined();
  },
);
