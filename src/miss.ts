import { mayBeARow, rowsOf } from './answers.ts';
import type { Attempt } from './attempt.ts';
import {
  askIsMiss,
  errorClassifier,
  type ErrorClassifier,
  isAboutErrors,
  isAboutMisses,
  type IsMiss,
  isPlain,
  type MissClassifier,
  missClassifier,
  type MissTest,
  toldByOneOf,
} from './classifier.ts';
import { invalidOption } from './errors.ts';

export type { ErrorClassifier };

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
export const noRow: MissClassifier<unknown> = missClassifier(
  (attempt) =>
    attempt.ok
      ? attempt.value === undefined || attempt.value === null
      : isNoResultError(attempt.error),
  mayBeARow,
);

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
export const noRows: MissClassifier<readonly unknown[] | { readonly rows: readonly unknown[] }> =
  missClassifier<unknown>(
    (attempt) => attempt.ok && rowsOf(attempt.value)?.length === 0,
    (value) => rowsOf(value) !== undefined,
  );

/**
 * A value that fails your test: older than what you know, or without what you need. The test sees values only,
 * never errors. A plain function for `isMiss` means the same.
 *
 * @param isMiss - returns `true` for a value that is a miss
 *
 * @example
 * ```ts
 * import { returned, withReplicaFallback } from 'kysely-replica-fallback';
 * import { primary, replica } from './databases.ts'; // two `Kysely<Database>`
 *
 * const isUnpaid = returned((order: { status: string } | undefined) => order?.status !== 'paid');
 *
 * await withReplicaFallback(
 *   (db) => db.selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst(),
 *   { primary, replica, isMiss: isUnpaid },
 * );
 * ```
 */
export function returned<T>(isMiss: MissTest<T>): MissClassifier<T> {
  return missClassifier(
    (attempt) => attempt.ok && isMiss(attempt.value),
    () => true,
  );
}

/**
 * An attempt that fails your test, which sees all of it: its value or its error, and its `source`.
 *
 * @param isMiss - returns `true` for an attempt that is a miss
 *
 * @example
 * ```ts
 * import { attempted, withReplicaFallback } from 'kysely-replica-fallback';
 * import { primary, replica } from './databases.ts'; // two `Kysely<Database>`
 *
 * await withReplicaFallback(
 *   (db) => db.selectFrom('order_lines').selectAll().where('order_id', '=', id).execute(),
 *   {
 *     primary,
 *     replica,
 *     isMiss: attempted(
 *       (attempt) => attempt.ok && attempt.value.length < expected && attempt.source !== 'primary',
 *     ),
 *   },
 * );
 * ```
 */
export function attempted<T>(isMiss: (attempt: Attempt<T>) => boolean): MissClassifier<T> {
  return missClassifier(isMiss, () => true);
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
export function thrown(matches: ErrorClass | ErrorClassifier): MissClassifier<unknown> {
  const isOne = isErrorClass(matches) ? (error: unknown) => error instanceof matches : matches;
  return missClassifier((attempt) => !attempt.ok && isOne(attempt.error));
}

/**
 * Combines what may stand for `isMiss`, plain functions of the value included, or what may stand for `isUnavailable`. They
 * are asked in order, until one returns `true`.
 *
 * @throws InvalidOptionError for a mixture of the two, and for what is no function
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
 *   isMiss: anyOf(noRow, thrown(OrderNotFoundError), (order) => order.version < seen),
 *   isUnavailable: anyOf(recoveryConflict, connectionLost),
 * });
 * ```
 */
export function anyOf<T>(...tests: MissTest<NoInfer<T>>[]): (subject: T) => boolean;
export function anyOf<T>(...classifiers: IsMiss<NoInfer<T>>[]): MissClassifier<T>;
export function anyOf(...classifiers: ErrorClassifier[]): ErrorClassifier;
export function anyOf<T>(...classifiers: IsMiss<T>[]): MissClassifier<T>;
export function anyOf<T>(...classifiers: (IsMiss<T> | ErrorClassifier)[]) {
  for (const given of classifiers) {
    if (typeof given !== 'function') throw invalidOption('classifiers', 'functions', given);
  }
  if (classifiers.every(isPlain)) {
    return (subject: T) => firstYes(classifiers, (isOne) => isOne(subject));
  }
  if (classifiers.every(isAboutMisses)) {
    return missClassifier<T>(
      (attempt) => firstYes(classifiers, (isMiss) => askIsMiss(isMiss, attempt)),
      toldByOneOf(classifiers),
    );
  }
  if (classifiers.every(isAboutErrors)) {
    return errorClassifier((error) => firstYes(classifiers, (isOne) => isOne(error)));
  }
  throw invalidOption('classifiers', 'all about misses, or all about errors', classifiers);
}

/** `true`, or a promise, which the read refuses. */
function firstYes<Classifier>(
  classifiers: readonly Classifier[],
  ask: (classifier: Classifier) => boolean,
): boolean {
  for (const classifier of classifiers) {
    const answer = ask(classifier);
    if (answer) return answer;
  }
  return false;
}

/**
 * Known by its shape, so that kysely need not be loaded, and two copies of it in one process work, minified or not.
 * https://github.com/kysely-org/kysely/blob/master/src/query-builder/no-result-error.ts
 */
function isNoResultError(error: unknown): boolean {
  return error instanceof Error && error.message === 'no result' && 'node' in error;
}

function isErrorClass(matches: ErrorClass | ErrorClassifier): matches is ErrorClass {
  return matches === Error || matches.prototype instanceof Error;
}
