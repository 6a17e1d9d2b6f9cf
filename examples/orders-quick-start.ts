import { Kysely, PostgresDialect } from 'kysely';
import { withReplicaFallback } from 'kysely-replica-fallback';
import { surviveConnectionErrors } from 'kysely-replica-fallback/postgres';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import { Pool } from 'pg';

interface Database {
  orders: { id: number; state: string };
}

function connect(connectionString: string): Kysely<Database> {
  const pool = new Pool({ connectionString });
  surviveConnectionErrors(pool); // or a restart of the server would end this process
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
}

const cluster = await startReplicationCluster({ runtime: 'embedded' });
const [standby] = cluster.replicas;
const primary = connect(cluster.primary.connectionString);
const replica = connect(standby.connectionString);

function readOrder(id: number): Promise<Database['orders'] | undefined> {
  return withReplicaFallback(
    (db) => db.selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst(),
    {
      primary,
      replica,
      retryMs: { min: 500, max: 700 },
      onOutcome: ({ outcome, durationMs }) =>
        console.log(`order ${id}: ${outcome}, after ${durationMs.toFixed(1)} ms`),
    },
  );
}

await primary.schema
  .createTable('orders')
  .addColumn('id', 'integer', (column) => column.primaryKey())
  .addColumn('state', 'text', (column) => column.notNull())
  .execute();
await primary.insertInto('orders').values({ id: 1, state: 'paid' }).execute();
await standby.waitForReplay();
await readOrder(1); // The standby has it: `replica`.

await standby.setApplyDelay(300);
await primary.insertInto('orders').values({ id: 2, state: 'paid' }).execute();
await readOrder(2); // The standby has it after the wait: `replica_retry`.

await standby.pauseReplay();
await primary.insertInto('orders').values({ id: 3, state: 'paid' }).execute();
await readOrder(3); // Only the primary has it: `primary`.

await readOrder(4); // Nobody has it: `not_found`, and the order is `undefined`.

await Promise.all([primary.destroy(), replica.destroy()]);
await cluster.stop();
