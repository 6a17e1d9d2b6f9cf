import { type Kysely, sql } from 'kysely';

/** Where the next record of the write-ahead log would begin, as the server says. */
export interface InsertPosition {
  readonly lsn: string;
  /** In bytes from the start of its page. */
  readonly inPage: number;
  /** In bytes from the start of its segment. */
  readonly inSegment: number;
}

export async function readInsertPosition<DB>(primary: Kysely<DB>): Promise<InsertPosition> {
  const { rows } = await sql<InsertPosition>`
    select lsn::text,
      ((lsn - '0/0') % ${sql.lit(PAGE)})::int as "inPage",
      ((lsn - '0/0') % pg_size_bytes(current_setting('wal_segment_size')))::int as "inSegment"
    from (select pg_current_wal_insert_lsn() as lsn) as inserted`.execute(primary);
  const [position] = rows;
  if (position === undefined) throw new Error('The primary gave no WAL position.');
  return position;
}

/** Up to where the log is flushed. */
export interface FlushPosition {
  /** In bytes from the start of its page. */
  readonly inPage: number;
  /** Whether nothing was written that is not flushed. */
  readonly isAll: boolean;
}

export async function readFlushPosition<DB>(primary: Kysely<DB>): Promise<FlushPosition> {
  const { rows } = await sql<FlushPosition>`
    select ((pg_current_wal_flush_lsn() - '0/0') % ${sql.lit(PAGE)})::int as "inPage",
      pg_current_wal_flush_lsn() = pg_current_wal_insert_lsn() as "isAll"`.execute(primary);
  const [position] = rows;
  if (position === undefined) throw new Error('The primary gave no WAL position.');
  return position;
}

/** Commits until a commit ends exactly where its page of the log does. */
export async function commitUpToPageEnd<DB>(
  primary: Kysely<DB>,
  commit: () => Promise<unknown>,
): Promise<void> {
  for (;;) {
    const before = await readInsertPosition(primary);
    await commit();
    const { inPage } = await readInsertPosition(primary);
    if (inPage === PAGE_HEADER) return;
    if (inPage < before.inPage) continue; // it went on in the next page
    // The next one is as long, and has to find as much room.
    const end = PAGE - (inPage - before.inPage);
    if (end - inPage >= SHORTEST_RECORD) await fill(primary, end - inPage);
    else await fill(primary, SHORTEST_RECORD);
  }
}

/** Writes a record of so many bytes, a multiple of 8, that means nothing. */
async function fill<DB>(primary: Kysely<DB>, bytes: number): Promise<void> {
  const text = 'x'.repeat(bytes - (bytes <= LONGEST_WITH_SHORT_HEADER ? 51 : 54));
  await sql`select pg_logical_emit_message(false, '', ${text})`.execute(primary);
}

const PAGE = 8192;
const PAGE_HEADER = 24;
/** A logical message with no text, and the longest whose length fits into a byte. */
const SHORTEST_RECORD = 56;
const LONGEST_WITH_SHORT_HEADER = 280;
