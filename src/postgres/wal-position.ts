import { assertObject } from '../assert-object.ts';
import type { Reach } from '../catch-up/position-source.ts';
import { InvalidOptionError, InvalidPositionError } from '../errors.ts';
import type { WalConnection } from './clients/wal-client.ts';
import { askWalPosition } from './primary-position.ts';

/** How {@link walPosition} and `walCatchUp` ask a primary. */
export interface WalPositionOptions {
  /**
   * Set it if `synchronous_commit` is `off` for some commits: of a role, a database, a pool or a transaction. Such a commit is
   * acknowledged before it is flushed, so positions then include what is not flushed yet. If it is off for the whole server,
   * that is noticed without this option. Default is `false`.
   */
  readonly asynchronousCommits?: boolean | undefined;
}

/**
 * Asks a primary for its position in the write-ahead log: all that was committed before the call is at this position or
 * before it. Take it after a commit, and give it to a later read as `after`, in this process or another: a replica's answer
 * then counts only if the replica has replayed that much.
 *
 * It is a short, URL-safe string, such as `9a33a5c48496-3000148`: the cluster and its timeline, as a hash, and the position.
 * It tells whoever sees it nothing but how much WAL there is.
 *
 * @param primary - a client of Kysely or Drizzle, or a pool or client of pg, outside of a transaction
 * @throws NotPrimaryError when the server is a standby
 * @throws what the query throws
 * @throws InvalidOptionError for another client, for an invalid option, for a transaction of Kysely, and in any other
 *   transaction that has written: the position would be older than the commit
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
export async function walPosition(
  primary: WalConnection,
  options: WalPositionOptions = {},
): Promise<string> {
  return askWalPosition(primary, hasAsynchronousCommits(options));
}

/** The option of `walPosition` and `walCatchUp`, checked. */
export function hasAsynchronousCommits(options: WalPositionOptions): boolean {
  assertObject('options', 'an object', options);
  const { asynchronousCommits = false } = options;
  if (typeof asynchronousCommits === 'boolean') return asynchronousCommits;
  throw new InvalidOptionError('asynchronousCommits', 'a boolean', asynchronousCommits);
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
