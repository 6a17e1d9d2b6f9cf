import { assertObject } from '../assert-object.ts';
import { createCatchUp } from '../catch-up/create-catch-up.ts';
import { countAs } from '../catch-up/per-source.ts';
import type { PositionSource, Reach } from '../catch-up/position-source.ts';
import { someError } from '../databases/driver-errors.ts';
import { InvalidOptionError, ReplicaBehindError } from '../errors.ts';
import type { CatchUp } from '../informed-read.ts';
import { databaseOf, type GtidClient, runPinned, selectText } from './gtid-client.ts';
import { compareGtidPositions, neededFor } from './gtid-position.ts';
import { assertNoneOpen } from './open-transaction.ts';
import {
  askGtidPosition,
  askReplica,
  assertPrimary,
  readReplayed,
  replayedBy,
} from './server-gtids.ts';

/** How {@link gtidCatchUp} checks a replica. */
export interface GtidCatchUpOptions {
  /**
   * What the check and the query share, so that one server answers both.
   *
   * - `'transaction'`: right behind everything, a proxy that sends each transaction to another server included. Costs three
   *   statements and the check beside the query.
   * - `'connection'`: right unless such a proxy is in between. Costs the check beside the query, and on MySQL one more statement,
   *   which tells whether somebody has left a transaction open on the connection.
   *
   * Default is `'transaction'`.
   */
  readonly pin?: 'transaction' | 'connection' | undefined;
}

/**
 * The option `catchUp` for MariaDB and MySQL: the position is a set of global transaction identifiers (GTIDs). Clients are
 * Kysely with its `MysqlDialect`, a promise pool of mysql2, or a pool of mariadb.
 *
 * A miss asks the primary for its GTIDs, waits until a replica has applied them, and asks that one. Its answer is then as good
 * as the primary's. That attempt is checked, and with `after` each attempt on a replica is: the query runs on a connection of
 * the client, in a read-only transaction at READ COMMITTED unless `pin` says otherwise, after the replica was asked what it has
 * applied. So it must not start a transaction of its own, unless `pin` is `'connection'`.
 *
 * An ordinary user may ask all that is needed. Where there are no GTIDs, or they do not compare (a promoted replica, another
 * cluster), reads go on as without `catchUp`, and OpenTelemetry's `diag` hears of it.
 *
 * @throws InvalidOptionError for a `pin` that is not one of the two
 *
 * @example
 * ```ts
 * import { createReplicaFallback } from 'kysely-replica-fallback';
 * import { gtidCatchUp } from 'kysely-replica-fallback/mysql';
 * import { primary, replica } from './databases.ts'; // two `Kysely<Database>`
 *
 * const read = createReplicaFallback({ primary, replica, catchUp: gtidCatchUp() });
 *
 * const order = await read(
 *   (db) => db.selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst(),
 *   { after: 'now' }, // all that was committed before this call
 * );
 * ```
 */
export function gtidCatchUp(options: GtidCatchUpOptions = {}): CatchUp<GtidClient> {
  assertObject('options', 'an object', options);
  const { pin = 'transaction' } = options;
  if (pin !== 'transaction' && pin !== 'connection') {
    throw new InvalidOptionError('pin', "'transaction' or 'connection'", pin);
  }
  const source: PositionSource<object> = {
    position: askGtidPosition,
    replayed: readReplayed,
    whenReplayed,
    databaseOf,
    compare: compareGtidPositions,
    runAt: (replica, position, query, assertWanted) =>
      runPinned(replica, 'replica', pin, async (pinned, connection) => {
        assertWanted?.();
        if (position !== undefined) {
          const server = await assertReplayed(position, connection);
          if (pin === 'connection') await assertNoneOpen(server, connection, 'replica', replica);
        }
        return query(pinned);
      }),
    runOnPrimary: (primary, query, assertWanted) =>
      runPinned(primary, 'primary', pin, async (pinned, connection) => {
        assertWanted?.();
        const server = await assertPrimary(connection);
        if (pin === 'connection') await assertNoneOpen(server, connection, 'primary', primary);
        return query(pinned);
      }),
  };
  return createCatchUp(countAs('GTIDs', source));
}

/** It reads no table, so the query's snapshot is taken after it, at every isolation level. */
async function assertReplayed(position: string, replica: object) {
  const server = await askReplica(replica).catch((error: unknown) => {
    if (isRefusal(error)) return undefined;
    throw error;
  });
  const has = replayedBy(server);
  const reach = has === undefined ? 'unknown' : compareGtidPositions(has, position);
  if (reach !== 'reached') throw new ReplicaBehindError(reach);
  return server;
}

/** The server does not have the variables (1193), or does not let this user see them (1227). */
const isRefusal = someError(({ errno }) => errno === 1193 || errno === 1227);

/** Both servers can wait by themselves, without a snapshot. */
function whenReplayed(
  replica: object,
  position: string,
  timeoutMs: number,
): Promise<Reach> | undefined {
  const needed = neededFor(position);
  if (needed === undefined) return undefined;
  const wait = needed.brand === 'mariadb' ? 'master_gtid_wait' : 'wait_for_executed_gtid_set';
  return selectText(
    replica,
    `select concat(${wait}('${needed.text}', ${timeoutMs / 1_000})) as status`,
  ).then((status) => (status === '0' ? 'reached' : status === undefined ? 'unknown' : 'behind'));
}
