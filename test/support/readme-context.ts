import { Kysely, PostgresDialect } from 'kysely';
import { Pool } from 'pg';
import type { ReadmeDatabase } from './readme-orders.ts';

// What the README's snippets take for granted: the clients, a row and what is known of it, and code that reads it.
export { connect, createOrders, findOrder } from './readme-orders.ts';
export const primaryPool = new Pool({ connectionString: process.env['DATABASE_URL'] });
export const replicaPool = new Pool({ connectionString: process.env['REPLICA_DATABASE_URL'] });
export const primary = new Kysely<ReadmeDatabase>({
  dialect: new PostgresDialect({ pool: primaryPool }),
});
export const replica = new Kysely<ReadmeDatabase>({
  dialect: new PostgresDialect({ pool: replicaPool }),
});
export const secondReplica = new Kysely<ReadmeDatabase>({
  dialect: new PostgresDialect({ pool: replicaPool }),
});
export const id = 'order-1';
export const seen = 2;
export const runId = 'run-1';
export const snapshotId = 'snapshot-1';
