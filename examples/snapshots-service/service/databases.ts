import { setTimeout as sleep } from 'node:timers/promises';
import { Kysely, PostgresDialect, sql } from 'kysely';
import { surviveConnectionErrors } from 'kysely-replica-fallback/postgres';
import { createSnapshotTables, type SnapshotTables } from 'kysely-replica-fallback/snapshots';
import { Pool } from 'pg';
import type { DatabaseUrls } from './config.ts';
import type { Log } from './log.ts';

/** The clients of a primary and its standby. */
export interface Databases {
  readonly primary: Kysely<SnapshotTables>;
  readonly replica: Kysely<SnapshotTables>;
  /** Closes all connections. */
  close(): Promise<void>;
}

/** Connects when it is first needed, and again after connections were lost. */
export function openDatabases(urls: DatabaseUrls, log: Log): Databases {
  const primary = openDatabase('primary', urls.primary, log);
  const replica = openDatabase('replica', urls.replica, log);
  return {
    primary,
    replica,
    async close() {
      await Promise.all([primary.destroy(), replica.destroy()]);
    },
  };
}

function openDatabase(
  name: keyof DatabaseUrls,
  connectionString: string,
  log: Log,
): Kysely<SnapshotTables> {
  const pool = new Pool({
    max: 10,
    connectionTimeoutMillis: 2_000,
    statement_timeout: 5_000,
    query_timeout: 6_000, // for a server that does not even get round to its own time-out
    pipeline: true, // or a client whose query has timed out would be used again, and time out again
    application_name: 'snapshots-service',
    connectionString, // last, because its parameters win
  });
  surviveConnectionErrors(pool, (error) => {
    log.warn('A connection was lost.', { database: name, error });
  });
  return new Kysely({ dialect: new PostgresDialect({ pool }) });
}

/** Creates the tables where there are none yet, and resolves when the standby has them too. */
export async function prepareTables(
  { primary, replica }: Databases,
  signal: AbortSignal,
): Promise<void> {
  await primary.transaction().execute(async (transaction) => {
    // `if not exists` alone fails when two copies of the service create a table at the same moment.
    await sql`select pg_advisory_xact_lock(hashtext('snapshots-service'))`.execute(transaction);
    await createSnapshotTables(transaction);
  });
  const timeout = AbortSignal.timeout(30_000);
  while (!(await hasTables(replica))) {
    if (timeout.aborted) throw new Error('The standby did not get the tables within 30 seconds.');
    await sleep(50, undefined, { signal });
  }
}

async function hasTables(db: Kysely<SnapshotTables>): Promise<boolean> {
  const { rows } = await sql<{ found: boolean }>`
    select to_regclass('completed_waitpoint') is not null as found`.execute(db);
  return rows[0]?.found === true;
}

/** Whether the database answers. */
export async function isUp(db: Kysely<SnapshotTables>): Promise<boolean> {
  return sql`select 1`.execute(db).then(
    () => true,
    () => false,
  );
}
