import { isNetworkError, someError } from '../databases/driver-errors.ts';
import { anyOf, type ErrorClassifier } from '../miss.ts';

/**
 * There is no connection, or no longer: refused, reset, unreachable, killed, timed out while connecting, or the server is
 * shutting down, in offline mode or has no connection left, or the pool had none in time. Not a query that was interrupted
 * (1317), ran out of time (1969, 3024) or waited for a lock (1205, 1213).
 *
 * @example
 * ```ts
 * import { createReplicaFallback } from 'kysely-replica-fallback';
 * import { connectionLost } from 'kysely-replica-fallback/mysql';
 *
 * const read = createReplicaFallback({ primary, replica, isUnavailable: connectionLost });
 * ```
 */
export const connectionLost: ErrorClassifier = someError(
  (error) =>
    LOST_NUMBERS.has(error.errno) ||
    error.code === 'PROTOCOL_CONNECTION_LOST' ||
    isNetworkError(error) ||
    (error.code === '' && LOST_MESSAGES.test(error.message)),
);

/**
 * The replica has not applied a migration yet. Something is not there: a database (1049), a table (1146), a column (1054), a
 * function (1128, 1305), an index that the query names (1176) or needs for a full-text search (1191), a partition (1735, 1747),
 * a sequence (4091), or the versions of a table (4124). A typo looks the same, and is then reported by the primary.
 */
export const schemaBehind: ErrorClassifier = someError(({ errno }) => BEHIND_NUMBERS.has(errno));

/**
 * Either of `connectionLost` and `schemaBehind`: the replica could not answer, and the primary can.
 *
 * @example
 * ```ts
 * import { createReplicaFallback } from 'kysely-replica-fallback';
 * import { replicaUnavailable } from 'kysely-replica-fallback/mysql';
 *
 * const read = createReplicaFallback({ primary, replica, isUnavailable: replicaUnavailable });
 * ```
 */
export const replicaUnavailable: ErrorClassifier = anyOf(connectionLost, schemaBehind);

/**
 * The servers' own, those of ProxySQL and of RDS Proxy, and from 45000 on those of the package mariadb.
 * https://mariadb.com/kb/en/mariadb-error-code-reference/,
 * https://dev.mysql.com/doc/mysql-errors/en/server-error-reference.html, https://proxysql.com/documentation/error-codes,
 * https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy.troubleshooting.html
 */
const LOST_NUMBERS = new Set<unknown>([
  1040, // too many connections
  1053, // shutdown in progress
  1129, // too many errors of connections from this host
  1203, // too many connections of this user
  1226, // the user's limit of connections
  1927, // connection was killed
  2006, // server has gone away
  2013, // lost connection during a query
  3032, // offline mode
  3169, // session was killed
  4031, // disconnected for inactivity
  6400, // offline mode, and why
  6401, // offline mode, and who has set it
  9001, // no server of the group answered in time
  9002, // no server of the group could be reached
  9004, // server is offline
  9501, // RDS Proxy had no connection in time
  45_001, // connection is closed
  45_004, // connection was destroyed
  45_009, // socket was closed
  45_012, // timeout while connecting
  45_013, // connection was closed before the command
  45_028, // the pool had no connection in time
]);

const BEHIND_NUMBERS = new Set<unknown>([
  1049, 1054, 1128, 1146, 1176, 1191, 1305, 1735, 1747, 4091, 4124,
]);

/** What mysql2 says of a connection or a pool, with no code. */
const LOST_MESSAGES =
  /^(Can't (add new command when connection is in closed state|write in closed state)|Queue limit reached\.|No connections available\.)$/;
