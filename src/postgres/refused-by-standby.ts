import { someError } from '../databases/driver-errors.ts';
import type { ErrorClassifier } from '../miss.ts';

/**
 * A standby refuses this query for good, however current it is, and the primary does not: `select … for update`, `nextval()`,
 * `pg_notify()` and a write (25006), an unlogged table (0A000), the isolation level `serializable` (0A000), and the position
 * of the write-ahead log (55000).
 *
 * It is not part of `replicaUnavailable`: nothing is wrong with the replica, and each such read costs a query on both servers.
 * Better send it to the primary: `read(query, { enabled: false })`. With this one as well, a write in a query is run there.
 *
 * @example
 * ```ts
 * import { anyOf, createReplicaFallback } from 'kysely-replica-fallback';
 * import { refusedByStandby, replicaUnavailable } from 'kysely-replica-fallback/postgres';
 *
 * const isUnavailable = anyOf(replicaUnavailable, refusedByStandby);
 * const read = createReplicaFallback({ primary, replica, isUnavailable });
 * ```
 */
export const refusedByStandby: ErrorClassifier = someError(
  ({ code, message, routine }) =>
    code === '25006' ||
    (code === '0A000' && (REFUSALS.test(message) || REFUSING_ROUTINES.test(routine))) ||
    (code === '55000' && (message === 'recovery is in progress' || routine.startsWith('pg_'))),
);

const REFUSALS =
  /^cannot (use serializable mode in a hot standby|access temporary or unlogged relations during recovery)$/;

/** For the same in other languages. The second one checks `begin isolation level serializable`. */
const REFUSING_ROUTINES =
  /^(GetSerializableTransactionSnapshot|call_enum_check_hook|get_relation_info)$/;
