import { type Kysely, sql } from 'kysely';
import { createReplicaFallback, InvalidOptionError } from 'kysely-replica-fallback';
import { walCatchUp } from 'kysely-replica-fallback/postgres';
import { expect, onTestFinished, test } from 'vitest';
import { connect } from '../../support/connect.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';

/** Somebody gives a connection back to its pool in a transaction that has one snapshot, which gets older and older. */

const database = await replicatedDatabase<OrdersDatabase>(createOrders);
const { cluster } = database;
const PINS = ['transaction', 'connection'] as const;
let orders = 0;

const find = (id: string) => (db: Kysely<OrdersDatabase>) => findOrder(db, id).executeTakeFirst();

function connectAlone(connectionString: string, options?: string) {
  const connection = connect<OrdersDatabase>(connectionString, { max: 1, options });
  onTestFinished(() => connection.end());
  return connection.db;
}

async function leak(db: Kysely<OrdersDatabase>): Promise<void> {
  await sql`begin isolation level repeatable read`.execute(db);
  await sql`select count(*) from orders`.execute(db);
}

test.for(PINS)('a replica does not answer with an old snapshot, with pin %s', async (pin) => {
  const replica = connectAlone(cluster.replicas[0].connectionString);
  await leak(replica);
  const id = String(++orders);
  await database.write(addOrder(id, 1));
  const primary = database.primary.db;
  const read = createReplicaFallback({ primary, replica, catchUp: walCatchUp({ pin }) });

  expect(await read(find(id), { after: 'now' })).toMatchObject({ servedBy: 'primary' });
});

test.for(PINS)(
  'a primary that would is refused, in words that say why, with pin %s',
  async (pin) => {
    const primary = connectAlone(cluster.primary.connectionString);
    const replica = connectAlone(cluster.replicas[0].connectionString);
    await database.holdBack();
    onTestFinished(() => database.catchUp());
    const id = String(++orders);
    await leak(primary);
    await database.write(addOrder(id, 1));
    const read = createReplicaFallback({ primary, replica, catchUp: walCatchUp({ pin }) });

    const refused = read(find(id), { after: 'now', retryMs: 50 });
    await expect(refused).rejects.toThrow(InvalidOptionError);
    await expect(refused).rejects.toThrow('got one with an open transaction');
  },
);

test.for(PINS)('what is no fault is none: repeatable read by default, with pin %s', async (pin) => {
  const replica = connectAlone(
    cluster.replicas[0].connectionString,
    '-c default_transaction_isolation=repeatable\\ read',
  );
  const id = String(++orders);
  await database.write(addOrder(id, 1));
  const primary = database.primary.db;
  const read = createReplicaFallback({ primary, replica, catchUp: walCatchUp({ pin }) });

  expect(await read(find(id), { after: 'now' })).toMatchObject({ servedBy: 'replica' });
});
