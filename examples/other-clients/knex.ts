import knex from 'knex';
import { createReplicaFallback } from 'kysely-replica-fallback';
import { replicaUnavailable } from 'kysely-replica-fallback/postgres';
import { startServers } from './servers.ts';

interface Order {
  id: string;
  status: string;
  version: number;
}

const servers = await startServers();
const primary = knex({ client: 'pg', connection: servers.primaryUrl });
const replica = knex({ client: 'pg', connection: servers.replicaUrl });

const read = createReplicaFallback({
  primary,
  replica,
  isUnavailable: replicaUnavailable,
  onOutcome: ({ outcome }) => console.log(outcome),
});

const order = await read(async (db) => db<Order>('orders').where({ id: 'new' }).first());
console.log(order?.status);

await primary.transaction(async (transaction) => {
  await transaction<Order>('orders').insert({ id: 'own', status: 'draft', version: 1 });
  const own = await read(async (db) => db<Order>('orders').where({ id: 'own' }).first(), {
    transaction,
  });
  console.log(own?.status);
});

await Promise.all([primary.destroy(), replica.destroy()]);
await servers.stop();
