import { Kysely, PostgresDialect } from 'kysely';
import { Pool } from 'pg';

// What the snippets take for granted and no README shows: other pools and clients, and rows that are there.
export const primaryPool = new Pool({ connectionString: process.env['DATABASE_URL'] });
export const replicaPool = new Pool({ connectionString: process.env['REPLICA_DATABASE_URL'] });
export const secondReplica = new Kysely<{
  orders: { id: string; status: string; version: number };
}>({
  dialect: new PostgresDialect({
    pool: new Pool({ connectionString: process.env['REPLICA_DATABASE_URL'] }),
  }),
});
export const id = 'order-1';
export const runId = 'run-1';
export const snapshotId = 'snapshot-1';
