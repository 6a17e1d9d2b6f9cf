import { isNetworkError, someError } from '../databases/driver-errors.ts';
import { anyOf, type ErrorClassifier } from '../miss.ts';

/**
 * The standby cancelled the query, because it kept WAL from being replayed: what the query still needed had been
 * vacuumed on the primary, or locked, or dropped. To ask the same standby again is known to deepen its lag.
 *
 * Known by its SQLSTATE and its message, which PostgreSQL writes in English unless `lc_messages` says otherwise: the
 * SQLSTATE alone (40001, 40P01) could be a serialization failure, or a deadlock.
 * https://www.postgresql.org/docs/current/hot-standby.html#HOT-STANDBY-CONFLICT
 */
export const recoveryConflict: ErrorClassifier = someError(
  ({ code, message }) =>
    (code === '40001' || code === '40P01') && message.includes('due to conflict with recovery'),
);

/**
 * There is no connection, or no longer: refused, reset, unreachable, terminated, timed out while connecting, or the server
 * is starting up, shutting down or has no connection left, or the pool had none in time. Not a query that was cancelled,
 * whether by a user or by a timeout (57014), and not a client that the process has closed itself.
 *
 * @example
 * ```ts
 * import { anyOf, createReplicaFallback } from 'kysely-replica-fallback';
 * import { connectionLost, recoveryConflict } from 'kysely-replica-fallback/postgres';
 *
 * const isUnavailable = anyOf(connectionLost, recoveryConflict);
 * const read = createReplicaFallback({ primary, replica, isUnavailable });
 * ```
 */
export const connectionLost: ErrorClassifier = someError(
  (error) =>
    LOST_CODES.test(error.code) ||
    isNetworkError(error) ||
    (error.code === '' && LOST_MESSAGES.test(error.message)),
);

/**
 * The standby has not replayed a migration yet: a table (42P01), a column (42703) or a function (42883) is not there.
 * A typo looks the same, and is then reported by the primary.
 */
export const schemaBehind: ErrorClassifier = someError(({ code }) =>
  /^42(P01|703|883)$/.test(code),
);

/**
 * Each of `recoveryConflict`, `connectionLost` and `schemaBehind`: the replica could not answer, and the primary can.
 *
 * @example
 * ```ts
 * import { createReplicaFallback } from 'kysely-replica-fallback';
 * import { replicaUnavailable } from 'kysely-replica-fallback/postgres';
 *
 * const read = createReplicaFallback({ primary, replica, isUnavailable: replicaUnavailable });
 * ```
 */
export const replicaUnavailable: ErrorClassifier = anyOf(
  recoveryConflict,
  connectionLost,
  schemaBehind,
);

/**
 * Class 08 (pgbouncer's errors among them), 53300 (too many connections), 57P01 to 57P03 and 57P05 are PostgreSQL's, the
 * next two postgres.js's, and the last three the kinds of Prisma's adapter.
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const LOST_CODES =
  /^(08...|53300|57P0[1235]|CONNECTION_CLOSED|CONNECT_TIMEOUT|DatabaseNotReachable|ConnectionClosed|SocketTimeout)$/;

/** What pg, pg-pool and knex say of a connection, with no code. */
const LOST_MESSAGES =
  /^(Connection terminated( unexpectedly| due to connection timeout)?|timeout (exceeded when trying to connect|expired)|Client has encountered a connection error and is not queryable|Knex: Timeout acquiring a connection\..*)$/;
