import type { Attempt } from './attempt.ts';
import { isObject } from './is-object.ts';

/**
 * Says whether an attempt on the replica is a miss: the replica answered, and its answer is "not here (yet)".
 * It is asked about the primary's answer, too, where it only tells the outcome `primary` from `not_found`.
 *
 * It must be quick and must not throw: what it throws ends the read.
 *
 * @example
 * ```ts
 * import type { MissClassifier } from 'kysely-replica-fallback';
 *
 * const isPending: MissClassifier<{ status: string } | undefined> = (attempt) =>
 *   attempt.ok && attempt.value?.status === 'pending';
 * ```
 */
export interface MissClassifier<T> {
  (attempt: Attempt<T>): boolean;
  readonly [asked]?: 'attempt';
}

/**
 * Says whether an error means that the replica could not answer: that it is down, slow, or cancelled the query.
 *
 * @example
 * ```ts
 * import { anyOf, type ErrorClassifier } from 'kysely-replica-fallback';
 * import { replicaUnavailable } from 'kysely-replica-fallback/postgres';
 *
 * const isOverloaded: ErrorClassifier = (error) => error instanceof OverloadedError;
 * const isUnavailable = anyOf(replicaUnavailable, isOverloaded);
 * ```
 */
export interface ErrorClassifier {
  (error: unknown): boolean;
  readonly [asked]?: 'error';
}

/**
 * Exists in types only, so that `isMiss: replicaUnavailable`, which would never match, does not compile. A plain function
 * may be either.
 */
declare const asked: unique symbol;

/**
 * No row came: `undefined`, `null`, or the `NoResultError` of Kysely's `executeTakeFirstOrThrow()`.
 * This is the default.
 *
 * @example
 * ```ts
 * import { noRow, withReplicaFallback } from 'kysely-replica-fallback';
 * import { primary, replica } from './databases.ts'; // two `Kysely<Database>`
 *
 * await withReplicaFallback(
 *   (db) => db.selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirstOrThrow(),
 *   { primary, replica, isMiss: noRow },
 * );
 * ```
 */
export const noRow: MissClassifier<unknown> = (attempt) =>
  attempt.ok
    ? attempt.value === undefined || attempt.value === null
    : isNoResultError(attempt.error);

/**
 * No rows came: an empty array, or a raw `sql` result whose `rows` is empty. Never the default, because an empty
 * list is usually correct, and each one would cost a wait and a read on the primary.
 *
 * @example
 * ```ts
 * import { noRows, withReplicaFallback } from 'kysely-replica-fallback';
 * import { primary, replica } from './databases.ts'; // two `Kysely<Database>`
 *
 * await withReplicaFallback(
 *   (db) => db.selectFrom('order_lines').selectAll().where('order_id', '=', id).execute(),
 *   { primary, replica, isMiss: noRows }, // an order always has a line
 * );
 * ```
 */
export const noRows: MissClassifier<unknown> = (attempt) => {
  if (!attempt.ok) return false;
  const rows = Array.isArray(attempt.value) ? attempt.value : rowsOf(attempt.value);
  return rows?.length === 0;
};

/**
 * A value that fails your test: older than what you know, or without what you need. The test sees values only,
 * never errors.
 *
 * @param predicate - returns `true` for a value that is a miss
 *
 * @example
 * ```ts
 * import { returned, withReplicaFallback } from 'kysely-replica-fallback';
 * import { primary, replica } from './databases.ts'; // two `Kysely<Database>`
 *
 * await withReplicaFallback(
 *   (db) => db.selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst(),
 *   { primary, replica, isMiss: returned((order) => order === undefined || order.version < seen) },
 * );
 * ```
 */
export function returned<T>(predicate: (value: T) => boolean): MissClassifier<T> {
  return (attempt) => attempt.ok && predicate(attempt.value);
}

/** An error class. It may be abstract. */
export type ErrorClass = abstract new (...args: never[]) => Error;

/**
 * An error that means "not found".
 *
 * @param matches - the error's class, or a test that returns `true` for an error that is a miss
 *
 * @example
 * ```ts
 * import { thrown, withReplicaFallback } from 'kysely-replica-fallback';
 * import { primary, replica } from './databases.ts'; // two `Kysely<Database>`
 *
 * await withReplicaFallback((db) => loadOrder(db, id), {
 *   primary,
 *   replica,
 *   isMiss: thrown(OrderNotFoundError),
 * });
 * ```
 */
export function thrown(
  matches: ErrorClass | ((error: unknown) => boolean),
): MissClassifier<unknown> {
  if (isErrorClass(matches)) return (attempt) => !attempt.ok && attempt.error instanceof matches;
  return (attempt) => !attempt.ok && matches(attempt.error);
}

/**
 * Combines classifiers of attempts, for `isMiss`, or of errors, for `isUnavailable`. They are asked in order, until one
 * returns `true`.
 *
 * @example
 * ```ts
 * import { anyOf, noRow, thrown, withReplicaFallback } from 'kysely-replica-fallback';
 * import { connectionLost, recoveryConflict } from 'kysely-replica-fallback/postgres';
 * import { primary, replica } from './databases.ts'; // two `Kysely<Database>`
 *
 * await withReplicaFallback((db) => loadOrder(db, id), {
 *   primary,
 *   replica,
 *   isMiss: anyOf(noRow, thrown(OrderNotFoundError)),
 *   isUnavailable: anyOf(recoveryConflict, connectionLost),
 * });
 * ```
 */
export function anyOf(...classifiers: ErrorClassifier[]): ErrorClassifier;
export function anyOf<T>(...classifiers: MissClassifier<NoInfer<T>>[]): MissClassifier<T>;
export function anyOf<Subject>(...classifiers: ((subject: Subject) => boolean)[]) {
  return (subject: Subject) => {
    for (const isOne of classifiers) {
      const answer = isOne(subject);
      if (answer) return answer; // `true`, or a promise, which the read refuses
    }
    return false;
  };
}

/**
 * Known by its shape, so that kysely need not be loaded, and two copies of it in one process work, minified or not.
 * https://github.com/kysely-org/kysely/blob/master/src/query-builder/no-result-error.ts
 */
function isNoResultError(error: unknown): boolean {
  return error instanceof Error && error.message === 'no result' && 'node' in error;
}

function rowsOf(value: unknown): readonly unknown[] | undefined {
  return isObject(value) && 'rows' in value && Array.isArray(value.rows) ? value.rows : undefined;
}

function isErrorClass(matches: ErrorClass | ((error: unknown) => boolean)): matches is ErrorClass {
  return matches === Error || matches.prototype instanceof Error;
}
