import type { Reach } from '../catch-up/position-source.ts';
import { InvalidPositionError } from '../errors.ts';
import { selectText, type WalConnection } from './clients/wal-client.ts';

/**
 * Asks a primary for its position in the write-ahead log: all that was committed before the call is at this position or
 * before it. Take it after a commit, and give it to a later read as `after`, in this process or another: a replica's answer
 * then counts only if the replica has replayed that much.
 *
 * It is a short, URL-safe string, such as `9a33a5c48496-3000148`: the cluster and its timeline, as a hash, and the position.
 * It tells whoever sees it nothing but how much WAL there is.
 *
 * @param primary - a client of Kysely or Drizzle, a transaction of one, or a pool or client of pg
 * @throws what the query throws, for instance because the server is a standby
 * @throws InvalidOptionError for another client
 *
 * @example
 * ```ts
 * import { createReplicaFallback } from 'kysely-replica-fallback';
 * import { walCatchUp, walPosition } from 'kysely-replica-fallback/postgres';
 * import { primary, replica } from './databases.ts'; // two `Kysely<Database>`
 *
 * const read = createReplicaFallback({ primary, replica, catchUp: walCatchUp() });
 *
 * await primary.updateTable('orders').set({ status: 'paid' }).where('id', '=', id).execute();
 * const position = await walPosition(primary);
 *
 * const order = await read(
 *   (db) => db.selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst(),
 *   { after: position }, // is paid
 * );
 * ```
 */
export function walPosition(primary: WalConnection): Promise<string> {
  return askWalPosition(primary);
}

/** Of a client that nobody has checked. */
export async function askWalPosition(primary: object): Promise<string> {
  const position = await selectText(primary, PRIMARY_POSITION, 'primary');
  if (position === undefined) throw new Error('The primary gave no WAL position.');
  return position;
}

/** Whether a server that has replayed `replayed` has `position`. Those of two clusters or timelines do not compare. */
export function compareWalPositions(replayed: string, position: string): Reach {
  const has = parse(replayed);
  const needs = parse(position);
  if (has.timeline !== needs.timeline) return 'unknown';
  if (has.lsn === needs.lsn) {
    // Where another server shows more, this one has to have replayed more.
    return needs.server === undefined || needs.server === has.server ? 'reached' : 'behind';
  }
  if (has.lsn.length !== needs.lsn.length) {
    return has.lsn.length > needs.lsn.length ? 'reached' : 'behind';
  }
  return has.lsn > needs.lsn ? 'reached' : 'behind';
}

interface WalPosition {
  readonly timeline: string;
  readonly lsn: string;
  /** The one that may show what comes after the position. */
  readonly server: string | undefined;
}

function parse(position: string): WalPosition {
  const [, timeline, lsn, server] = POSITION.exec(position) ?? [];
  if (timeline === undefined || lsn === undefined) throw new InvalidPositionError(position);
  return { timeline, lsn, server };
}

/** As PostgreSQL writes it: `0/3000148`. */
export function lsnOf(position: string): string {
  const { lsn } = parse(position);
  return `${lsn.slice(0, -8) || '0'}/${lsn.slice(-8)}`;
}

/** Hexadecimal without leading zeros, so that the longer one is the higher one, and equally long ones sort as text. */
const POSITION = /^([\da-f]{12})-(0|[1-9a-f][\da-f]{0,15})(?:~([\da-f]{8}))?$/;

/**
 * The position after the last record that was written. At the start of a page the server gives the position behind the
 * page's header (24 bytes; 40 in the first page of a segment), which no replay reports until there is a next record.
 */
export const INSERT_BYTES = `
  select bytes - case
      when bytes % pg_size_bytes(current_setting('wal_segment_size')) = 40 then 40
      when bytes % current_setting('wal_block_size')::int = 24 then 24
      else 0
    end as bytes
  from (select pg_current_wal_insert_lsn() - '0/0' as bytes) as inserted`;

/** On a primary, the first 8 digits of a segment's name are the current timeline, right after a promotion, too. */
const PRIMARY_POSITION = `
  select ${hashOf(`('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int`)}
    || '-' || to_hex(bytes::bigint)
  from pg_control_system(), (${INSERT_BYTES}) as inserted`;

/**
 * SQL that names a timeline of a cluster. Hashed, because a system identifier tells when the cluster was made; not with
 * `md5`, which some servers refuse.
 */
export function hashOf(timeline: string): string {
  return firstBytes(6, `system_identifier || '/' || ${timeline}`);
}

/** SQL that says, at the end of a position, that this server may show what comes next. */
export function showsMore(server: string): string {
  return `'~' || ${firstBytes(4, server)}`;
}

function firstBytes(count: number, text: string): string {
  return `encode(substr(sha256(convert_to(${text}, 'UTF8')), 1, ${count}), 'hex')`;
}
