import type { CatchUp } from '../catch-up/catch-up.ts';
import { InvalidOptionError, ReplicaBehindError } from '../errors.ts';
import type { KyselyClient } from './kysely-client.ts';
import { compareWalPositions, readReplayed, walPosition } from './wal-position.ts';

/** How {@link walCatchUp} checks a replica. */
export interface WalCatchUpOptions {
  /**
   * What the check and the query share, so that one server answers both.
   *
   * - `'transaction'`: right behind everything, a transaction-mode pooler in front of several servers included. Costs
   *   `begin`, the check and `commit` beside the query.
   * - `'connection'`: right unless such a pooler is in between. Costs the check beside the query.
   *
   * Default is `'transaction'`.
   */
  readonly pin?: 'transaction' | 'connection' | undefined;
}

/**
 * The option `catchUp` for PostgreSQL and Kysely: the position is that of the write-ahead log.
 *
 * A miss asks the primary where its log ends, waits until a replica has replayed that much, and asks that one. Its answer is
 * then as good as the primary's. With `after`, each attempt on a replica is checked: the query runs on a connection of the
 * client, in a read-only transaction at READ COMMITTED unless `pin` says otherwise, after the replica was asked what it has
 * replayed. So it must not start a transaction of its own.
 *
 * An ordinary role may ask all that is needed. Where no position is to be had (Amazon Aurora, whose readers replay no WAL; a
 * promoted replica; another cluster or timeline), reads go on as without `catchUp`, and OpenTelemetry's `diag` hears of it.
 *
 * @throws InvalidOptionError for a `pin` that is not one of the two
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
export function walCatchUp({ pin = 'transaction' }: WalCatchUpOptions = {}): CatchUp<KyselyClient> {
  if (pin !== 'transaction' && pin !== 'connection') {
    throw new InvalidOptionError('pin', "'transaction' or 'connection'", pin);
  }
  return {
    position: walPosition,
    replayed: readReplayed,
    compare: compareWalPositions,
    async runAt(replica, position, query) {
      const check = async (pinned: KyselyClient) => {
        const replayed = await readReplayed(pinned);
        const reach = replayed === undefined ? 'unknown' : compareWalPositions(replayed, position);
        if (reach !== 'reached') throw new ReplicaBehindError(reach);
        return query(pinned);
      };
      return onOneServer(pin, replica, check);
    },
  };
}

async function onOneServer<T>(
  pin: 'transaction' | 'connection',
  db: KyselyClient,
  run: (pinned: KyselyClient) => Promise<T>,
): Promise<T> {
  if (pin === 'connection') return db.connection().execute(run);
  let ending: { readonly error: unknown } | undefined;
  const transaction = db
    .transaction()
    .setAccessMode('read only')
    .setIsolationLevel('read committed');
  return transaction
    .execute(async (pinned) => {
      try {
        return await run(pinned);
      } catch (error) {
        ending = { error };
        throw error;
      }
    })
    .catch((error: unknown) => {
      // Not that of a rollback which failed as well.
      throw ending === undefined ? error : ending.error;
    });
}
