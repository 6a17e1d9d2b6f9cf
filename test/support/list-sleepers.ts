import { type Kysely, sql } from 'kysely';

/** The sessions of a server in which `pg_sleep` runs, by their pids. One whose query is active may not have begun to run it. */
export async function listSleepers<Database>(db: Kysely<Database>): Promise<number[]> {
  const { rows } = await sql<{ pid: number }>`
    select pid from pg_stat_activity where wait_event = 'PgSleep'`.execute(db);
  return rows.map(({ pid }) => pid);
}
