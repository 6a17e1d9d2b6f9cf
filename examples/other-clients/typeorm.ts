import { anyOf, createReplicaFallback, noRow, thrown } from 'kysely-replica-fallback';
import { replicaUnavailable } from 'kysely-replica-fallback/postgres';
import { DataSource, EntityNotFoundError, EntitySchema } from 'typeorm';
import { startServers } from './servers.ts';

const Order = new EntitySchema<{ id: string; status: string; version: number }>({
  name: 'orders',
  columns: {
    id: { type: 'text', primary: true },
    status: { type: 'text' },
    version: { type: 'int' },
  },
});

const servers = await startServers();

function connect(url: string): Promise<DataSource> {
  return new DataSource({ type: 'postgres', url, entities: [Order] }).initialize();
}
const primary = await connect(servers.primaryUrl);
const replica = await connect(servers.replicaUrl);

const read = createReplicaFallback({
  primary: primary.manager,
  replica: replica.manager,
  isMiss: anyOf(noRow, thrown(EntityNotFoundError)),
  isUnavailable: replicaUnavailable,
  onOutcome: ({ outcome }) => console.log(outcome),
});

const order = await read((manager) => manager.findOneByOrFail(Order, { id: 'new' }));
console.log(order.status);

await primary.transaction(async (transaction) => {
  await transaction.insert(Order, { id: 'own', status: 'draft', version: 1 });
  const own = await read((manager) => manager.findOneBy(Order, { id: 'own' }), { transaction });
  console.log(own?.status);
});

await Promise.all([primary.destroy(), replica.destroy()]);
await servers.stop();
