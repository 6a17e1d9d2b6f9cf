import { assertNoTransaction, uncommitted } from '../databases/committed.ts';
import { openOn } from '../databases/open-transaction.ts';
import { someError } from '../databases/driver-errors.ts';
import { NotPrimaryError } from '../errors.ts';
import { selectText } from './clients/wal-client.ts';
import { hashOf, SEES_ALL } from './hash-sql.ts';

/** Asks a primary for its position, of a client that nobody has checked. */
export async function askWalPosition(
  primary: object,
  asynchronousCommits: boolean,
): Promise<string> {
  assertNoTransaction(primary);
  const sql = asynchronousCommits ? INSERT_POSITION : COMMIT_POSITION;
  const position = await selectText(primary, sql, 'primary').catch((error: unknown) => {
    throw isInRecovery(error) ? new NotPrimaryError() : error;
  });
  if (position === undefined) throw new Error('The primary gave no WAL position.');
  if (position === UNCOMMITTED) throw uncommitted(primary);
  if (!position.endsWith(CUT)) return position;
  const flushed = await selectText(primary, FLUSHED_POSITION, 'primary').catch(() => undefined);
  return flushed ?? position.slice(0, -CUT.length);
}

/** @throws NotPrimaryError for a standby. A primary does not become one while a connection to it lasts. */
export async function assertPrimary(connection: object, primary: object): Promise<void> {
  const state = await selectText(connection, PRIMARY_STATE, 'primary');
  const [isStandby, seesAll] = state?.split(' ') ?? [];
  if (isStandby !== 'false') throw new NotPrimaryError();
  if (seesAll === 'false') throw openOn('primary', primary, primary);
}

const PRIMARY_STATE = `select pg_is_in_recovery()::text || ' ' || (${SEES_ALL})::text`;

/** What PostgreSQL answers when a standby is asked where its log ends. */
const isInRecovery = someError(({ code }) => code === '55000');

/**
 * The position after the last record that was written. At the start of a page the server gives the position behind the
 * page's header (24 bytes; 40 in the first page of a segment), which no replay reports until there is a next record.
 */
const INSERTED = `
  select bytes - case
      when bytes % pg_size_bytes(current_setting('wal_segment_size')) = 40 then 40
      when bytes % current_setting('wal_block_size')::int = 24 then 24
      else 0
    end as inserted
  from (select pg_current_wal_insert_lsn() - '0/0' as bytes) as position`;

/** At the end of what the server said: the log is flushed up to the start of a page, which may be in the middle of a record. */
const CUT = ' cut';

/**
 * A standby gets what is flushed, and a commit is flushed before it is acknowledged, unless it is asynchronous. Where there is
 * more, which nobody has committed yet, it may stay unflushed for long.
 */
const COMMITTED = `
  select
    case when is_synchronous then flushed else inserted end as bytes,
    case when is_synchronous and flushed < inserted
        and flushed % current_setting('wal_block_size')::int = 0
        and current_setting('server_version_num')::int >= 170000
      then '${CUT}' else '' end as suffix
  from (${INSERTED}) as inserted,
    (select pg_current_wal_flush_lsn() - '0/0' as flushed) as flushed,
    (select current_setting('synchronous_commit') <> 'off' as is_synchronous) as setting`;

/** What the server says in a transaction that has written. */
const UNCOMMITTED = 'uncommitted';

/** On a primary, the first 8 digits of a segment's name are the current timeline, right after a promotion, too. */
function positionAfter(bytes: string): string {
  const timeline = `('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int`;
  return `
  select case when pg_current_xact_id_if_assigned() is not null then '${UNCOMMITTED}'
    else ${hashOf(timeline)} || '-' || to_hex(bytes::bigint) || suffix end
  from pg_control_system(), (${bytes}) as position`;
}

const COMMIT_POSITION = positionAfter(COMMITTED);
const INSERT_POSITION = positionAfter(
  `select inserted as bytes, '' as suffix from (${INSERTED}) as inserted`,
);

/** Writes a record that means nothing, flushes all up to its end, and gives that. From PostgreSQL 17 on. */
const FLUSHED_POSITION = positionAfter(`
  select pg_logical_emit_message(false, 'kysely-replica-fallback', '', true) - '0/0' as bytes, '' as suffix`);
