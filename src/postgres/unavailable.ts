import { isNetworkError, someError } from '../databases/driver-errors.ts';
import { anyOf, type ErrorClassifier } from '../miss.ts';
import { isPoolerOutage } from './pooler-errors.ts';

/**
 * The standby cancelled the query, because it kept WAL from being replayed: what the query still needed had been
 * vacuumed on the primary, or locked, or dropped. To ask the same standby again is known to deepen its lag.
 *
 * The SQLSTATE alone (40001, 40P01) could be a serialization failure, or a deadlock. So it takes the English message, or in
 * any other language (`lc_messages`), the function of the server that reported it.
 * https://www.postgresql.org/docs/current/hot-standby.html#HOT-STANDBY-CONFLICT
 */
export const recoveryConflict: ErrorClassifier = someError(
  ({ code, message, routine }) =>
    (code === '40001' || code === '40P01') &&
    (message.includes('due to conflict with recovery') || CONFLICT_ROUTINES.test(routine)),
);

/**
 * There is no connection, or no longer: refused, reset, unreachable, terminated, timed out while connecting, or the server
 * is starting up, shutting down or has no connection left, or the pool had none in time. A pooler says the same in words of
 * its own: PgBouncer, PgCat, PgDog, Odyssey, Pgpool-II, Supavisor, RDS Proxy and Neon's are known. Not what it refuses for
 * good, such as a startup parameter; not a query that was cancelled, whether by a user or by a timeout (57014); and not a
 * client that the process has closed itself.
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
    (LOST_CODES.test(error.code) && !TLS_IS_MISSING.test(error.message)) ||
    isNetworkError(error) ||
    isPoolerOutage(error) ||
    (error.code === '' && LOST_MESSAGES.test(error.message)),
);

/**
 * The standby has not replayed a migration yet. Something is not there: a schema (3F000), a table (42P01), a column (42703), a
 * function or an operator (42883), a cast (42846), a type or a collation (42704), or a value of an enum (22P02). A typo looks
 * the same, and is then reported by the primary.
 *
 * Not a grant (42501), a role (28000, 28P01) or a database (3D000): a mistake in the replica's connection string looks the
 * same, and would send each read to the primary for good, with the rights of its role.
 */
export const schemaBehind: ErrorClassifier = someError(
  ({ code, message, routine }) =>
    BEHIND_CODES.test(code) ||
    (code === '22P02' &&
      (ENUM_ROUTINES.test(routine) || message.startsWith('invalid input value for enum '))),
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

/** The first one up to PostgreSQL 16, then `ProcessRecoveryConflictInterrupt`, and `CheckRecoveryConflictDeadlock` in each. */
const CONFLICT_ROUTINES = /^ProcessInterrupts$|recovery_?conflict/i;

const BEHIND_CODES = /^(3F000|42P01|42703|42704|42846|42883|P2021|P2022)$/; // the last two are Prisma's

/** The value as text, and in binary. */
const ENUM_ROUTINES = /^enum_(in|recv)$/;

/**
 * Class 08, but for violations of the protocol (08P01), which are mistakes; 53300 (too many connections), 57P01 to 57P03 and
 * 57P05 are PostgreSQL's, the next two postgres.js's, and the last three the kinds of Prisma's adapter.
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const LOST_CODES =
  /^(08(?!P)...|53300|57P0[1235]|CONNECTION_CLOSED|CONNECT_TIMEOUT|DatabaseNotReachable|ConnectionClosed|SocketTimeout)$/;

/** PgDog's, with 08004: not an outage. https://github.com/pgdogdev/pgdog/blob/main/pgdog/src/net/messages/error_response.rs */
const TLS_IS_MISSING = /^only TLS connections are allowed$/;

/** What pg, pg-pool and knex say of a connection, with no code. */
const LOST_MESSAGES =
  /^(Connection terminated( unexpectedly| due to connection timeout)?|timeout (exceeded when trying to connect|expired)|Client has encountered a connection error and is not queryable|Knex: Timeout acquiring a connection\..*)$/;
