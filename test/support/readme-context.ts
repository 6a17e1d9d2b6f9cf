import { Kysely, PostgresDialect } from 'kysely';
import type { SnapshotTables } from 'kysely-replica-fallback/snapshots';
import { Pool } from 'pg';

/** What the README's snippets take for granted: the clients, a row, and what is known of it. */
interface Database extends SnapshotTables {
  orders: { id: string; status: string; version: number };
}

export const primaryPool = new Pool({ connectionString: process.env['DATABASE_URL'] });
export const replicaPool = new Pool({ connectionString: process.env['REPLICA_DATABASE_URL'] });
export const primary = new Kysely<Database>({
  dialect: new PostgresDialect({ pool: primaryPool }),
});
export const replica = new Kysely<Database>({
  dialect: new PostgresDialect({ pool: replicaPool }),
});
export const secondReplica = new Kysely<Database>({
  dialect: new PostgresDialect({ pool: replicaPool }),
});
export const id = 'order-1';
export const seen = 2;
export const runId = 'run-1';
export const snapshotId = 'snapshot-1';
