import { Kysely, PostgresDialect } from 'kysely';
import { type ReplicaFallbackOptions, withReplicaFallback } from 'kysely-replica-fallback';
import { replicaUnavailable, surviveConnectionErrors } from 'kysely-replica-fallback/postgres';
import type { SnapshotTables } from 'kysely-replica-fallback/snapshots';
import { Pool } from 'pg';

/** The service of the README's snippets, as far as its own tests in them need it. */
export interface ReadmeDatabase extends SnapshotTables {
  orders: { id: string; status: string; version: number };
}

type Order = ReadmeDatabase['orders'];

export function connect(connectionString: string): Kysely<ReadmeDatabase> {
  const pool = new Pool({ connectionString });
  surviveConnectionErrors(pool);
  return new Kysely({ dialect: new PostgresDialect({ pool }) });
}

export async function createOrders(db: Kysely<ReadmeDatabase>): Promise<void> {
  await db.schema
    .createTable('orders')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('version', 'integer', (column) => column.notNull())
    .execute();
}

export function findOrder(
  id: string,
  options: ReplicaFallbackOptions<Kysely<ReadmeDatabase>, Order | undefined>,
): Promise<Order | undefined> {
  return withReplicaFallback(
    (db) => db.selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst(),
    { ...options, isUnavailable: replicaUnavailable },
  );
}
