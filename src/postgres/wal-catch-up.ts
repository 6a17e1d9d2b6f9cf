import { createCatchUp } from '../catch-up/create-catch-up.ts';
import { countAs } from '../catch-up/per-source.ts';
import type { PositionSource } from '../catch-up/position-source.ts';
import { InvalidOptionError, ReplicaBehindError } from '../errors.ts';
import type { CatchUp } from '../informed-read.ts';
import { databaseOf, runPinned, type WalClient } from './clients/wal-client.ts';
import { askReplayedOn, readReplayed, whenReplayed } from './replayed-position.ts';
import { someError } from '../databases/driver-errors.ts';
import { openOn } from '../databases/open-transaction.ts';
import { askWalPosition, assertPrimary } from './primary-position.ts';
import {
  compareWalPositions,
  hasAsynchronousCommits,
  type WalPositionOptions,
} from './wal-position.ts';

/** How {@link walCatchUp} asks a primary, and checks a replica. */
export interface WalCatchUpOptions extends WalPositionOptions {
  /**
   * What the check and the query share, so that one server answers both.
   *
   * - `'transaction'`: right behind everything, a transaction-mode pooler in front of several servers included. Costs
   *   `begin`, the check and `commit` beside the query.
   * - `'connection'`: right unless such a pooler is in between. Costs the check beside the query. Not for Drizzle, which gives
   *   no connection.
   *
   * Default is `'transaction'`.
   */
  readonly pin?: 'transaction' | 'connection' | undefined;
  /**
   * Sends the check and the query at once, in one round trip. For pools with pg's `pipeline: true`; on any other, pg warns.
   * Kysely's `'cancel query'` cannot cancel such a query. Default is `false`.
   */
  readonly pipeline?: boolean | undefined;
}

/**
 * The option `catchUp` for PostgreSQL, and for a client of Kysely, a `pg.Pool`, or a client of Drizzle on one: the position is
 * that of the write-ahead log.
 *
 * A miss asks the primary where its log ends, waits until a replica has replayed that much, and asks that one. Its answer is
 * then as good as the primary's. That attempt is checked, and with `after` each attempt on a replica is: the query runs on a
 * connection of the client, in a read-only transaction at READ COMMITTED unless `pin` says otherwise, after the replica was
 * asked what it has replayed. So it must not start a transaction of its own, nor go on after an error of the server, unless `pin` is `'connection'`. Of a `pg.Pool`,
 * it gets one of the pool's clients instead, and may use `query` alone.
 *
 * Not for Kysely on postgres.js, which ends the process when a connection is lost in the middle of a transaction.
 *
 * An ordinary role may ask all that is needed. Where no position is to be had (Amazon Aurora, whose readers replay no WAL; a
 * promoted replica; another cluster or timeline), reads go on as without `catchUp`, and OpenTelemetry's `diag` hears of it.
 *
 * @throws InvalidOptionError for an invalid option. A read throws it for a client that is none of these,
 *   for a `pin` that its client does not have, and for a query that needs `pin: 'connection'`
 *
 * @example
 * ```ts
 * import { createReplicaFallback } from 'kysely-replica-fallback';
 * import { walCatchUp } from 'kysely-replica-fallback/postgres';
 * import { primary, replica } from './databases.ts'; // two `Kysely<Database>`
 *
 * const read = createReplicaFallback({ primary, replica, catchUp: walCatchUp() });
 *
 * const order = await read(
 *   (db) => db.selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst(),
 *   { after: 'now' }, // all that was committed before this call
 * );
 * ```
 */
export function walCatchUp(options: WalCatchUpOptions = {}): CatchUp<WalClient> {
  const asynchronousCommits = hasAsynchronousCommits(options);
  const { pin = 'transaction', pipeline = false } = options;
  if (pin !== 'transaction' && pin !== 'connection') {
    throw new InvalidOptionError('pin', "'transaction' or 'connection'", pin);
  }
  if (typeof pipeline !== 'boolean')
    throw new InvalidOptionError('pipeline', 'a boolean', pipeline);
  const source: PositionSource<object> = {
    position: (primary) => askWalPosition(primary, asynchronousCommits),
    replayed: readReplayed,
    whenReplayed,
    databaseOf,
    compare: compareWalPositions,
    runAt: (replica, position, query, assertWanted) =>
      runPinned(replica, 'replica', pin, async (pinned, connection) => {
        assertWanted?.();
        if (position === undefined) return query(pinned);
        const check = assertReplayed(position, connection, replica);
        if (!pipeline) {
          await check;
          return query(pinned);
        }
        const answer = query(pinned);
        // Neither may go on when the connection goes back to the pool.
        await Promise.allSettled([check, answer]);
        await check;
        return answer;
      }),
    // Not in a pipeline, which the pool of the primary need not have.
    runOnPrimary: (primary, query, assertWanted) =>
      runPinned(primary, 'primary', pin, async (pinned, connection) => {
        assertWanted?.();
        await assertPrimary(connection, primary);
        return query(pinned);
      }),
  };
  return createCatchUp(countAs(asynchronousCommits ? 'inserted WAL' : 'WAL', source));
}

async function assertReplayed(position: string, connection: object, replica: object) {
  const has = await askReplayedOn(connection).catch((error: unknown) => {
    if (isRefusal(error)) return undefined;
    throw error;
  });
  if (has?.seesAll === false) throw openOn('replica', replica, databaseOf(replica) ?? replica);
  const reach = has === undefined ? 'unknown' : compareWalPositions(has.position, position);
  if (reach !== 'reached') throw new ReplicaBehindError(reach);
}

/** The server does not have the functions, or does not let this role call them. Any other error is the replica's. */
const isRefusal = someError(({ code }) => /^(0A|42)/.test(code));
