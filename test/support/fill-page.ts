import { type Kysely, sql } from 'kysely';

/** Bytes of a message that are more than any server writes besides. */
const AMPLE = 1_000;

/**
 * Makes the last record that the primary wrote end where a page of the write-ahead log does. The server's own records may
 * come in between, so it tries again.
 */
export async function fillPage<DB>(primary: Kysely<DB>): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const before = await readInsertOffset(primary);
    await write(primary, AMPLE);
    const middle = await readInsertOffset(primary);
    await write(primary, PAGE - middle - (middle - before - AMPLE));
    if ((await readInsertOffset(primary)) === PAGE_HEADER) return;
  }
  throw new Error('No record ended where a page does.');
}

const PAGE = 8_192;
const PAGE_HEADER = 24;

/** Commits a message of so many bytes, and of some 100 around it. */
async function write<DB>(primary: Kysely<DB>, bytes: number): Promise<void> {
  if (bytes < AMPLE) return;
  await sql`select pg_logical_emit_message(true, '', repeat('x', ${bytes}::int))`.execute(primary);
}

/** In its page. */
async function readInsertOffset<DB>(primary: Kysely<DB>): Promise<number> {
  const { rows } = await sql<{ offset: string }>`
    select (pg_current_wal_insert_lsn() - '0/0') % ${PAGE}::int as offset`.execute(primary);
  return Number(rows[0]?.offset);
}
