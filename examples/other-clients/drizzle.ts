import { eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable, text } from 'drizzle-orm/pg-core';
import { createReplicaFallback, noRows } from 'kysely-replica-fallback';
import {
  replicaUnavailable,
  surviveConnectionErrors,
  walCatchUp,
} from 'kysely-replica-fallback/postgres';
import { Pool } from 'pg';
import { startServers } from './servers.ts';

const orders = pgTable('orders', { id: text().primaryKey(), status: text(), version: integer() });
const servers = await startServers();

function connect(connectionString: string) {
  const client = new Pool({ connectionString });
  surviveConnectionErrors(client);
  return drizzle({ client });
}
const primary = connect(servers.primaryUrl);
const replica = connect(servers.replicaUrl);

const read = createReplicaFallback({
  primary,
  replica,
  isUnavailable: replicaUnavailable,
  catchUp: walCatchUp(),
  onOutcome: ({ outcome }) => console.log(outcome),
});

const isNew = eq(orders.id, 'new');
const [order] = await read((db) => db.select().from(orders).where(isNew), { isMiss: noRows });
console.log(order?.status);

await primary.transaction(async (transaction) => {
  await transaction.insert(orders).values({ id: 'own', status: 'draft', version: 1 });
  const isOwn = eq(orders.id, 'own');
  const [own] = await read((db) => db.select().from(orders).where(isOwn), { transaction });
  console.log(own?.status);
});

await Promise.all([primary.$client.end(), replica.$client.end()]);
await servers.stop();
