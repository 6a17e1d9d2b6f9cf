import type { Attempt } from './attempt.ts';

/** What the option `isMiss` takes: a function of the value, or a classifier. */
export type IsMiss<T> = MissTest<T> | MissClassifier<T>;

/**
 * Says whether a value is a miss: the replica answered, and its answer is "not here (yet)". It is never asked about an error.
 * It is asked about the primary's answer, too, where it only tells the outcome `primary` from `not_found`.
 *
 * It must be quick and must not throw: what it throws ends the read.
 *
 * @example
 * ```ts
 * import type { MissTest } from 'kysely-replica-fallback';
 *
 * const isPending: MissTest<{ status: string } | undefined> = (order) => order?.status === 'pending';
 * ```
 */
export interface MissTest<T> extends About<T> {
  (value: T): boolean;
  readonly [CLASSIFIER]?: undefined;
}

/**
 * Says whether an attempt is a miss, and may look at errors, too. `noRow`, `noRows`, `returned`, `thrown`, `attempted` and
 * `anyOf` make them.
 */
export interface MissClassifier<T> extends About<T> {
  /** There is no need to call it. TypeScript infers what is inside `returned(…)` only if what that returns can be called. */
  (): boolean;
  readonly [CLASSIFIER]: MissClassifierKind;
}

interface MissClassifierKind {
  readonly of: 'attempts';
  /** Whether it can tell a miss by such a value. Without it, it looks at errors alone. */
  readonly tells: ((value: unknown) => boolean) | undefined;
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
  readonly [CLASSIFIER]?: { readonly of: 'errors' };
}

/** What tells a classifier from a plain function, also from those of another copy of this package. */
const CLASSIFIER: unique symbol = Symbol.for('kysely-replica-fallback.classifier');

/** Exists in types only, so that TypeScript infers what is inside `anyOf(…)`. */
interface About<T> {
  readonly [about]?: (value: T) => void;
}
declare const about: unique symbol;

/** @param tells - whether it can tell a miss by such a value. Default is that it looks at errors alone. */
export function missClassifier<T>(
  isMiss: (attempt: Attempt<T>) => boolean,
  tells?: (value: unknown) => boolean,
): MissClassifier<T> {
  const classifier = (attempt?: Attempt<T>) => attempt !== undefined && isMiss(attempt);
  return Object.assign(classifier, { [CLASSIFIER]: { of: 'attempts', tells } as const });
}

export function errorClassifier(isOne: (error: unknown) => boolean): ErrorClassifier {
  return Object.assign((error: unknown) => isOne(error), {
    [CLASSIFIER]: { of: 'errors' } as const,
  });
}

type AnyClassifier<T> = IsMiss<T> | ErrorClassifier;

/** Whether it can stand for `isMiss`. A plain function can stand for `isUnavailable`, too. */
export function isAboutMisses<T>(classifier: AnyClassifier<T>): classifier is IsMiss<T> {
  return classifier[CLASSIFIER]?.of !== 'errors';
}

export function isAboutErrors<T>(classifier: AnyClassifier<T>): classifier is ErrorClassifier {
  return classifier[CLASSIFIER]?.of !== 'attempts';
}

export function isPlain<T>(classifier: AnyClassifier<T>): classifier is MissTest<T> {
  return classifier[CLASSIFIER] === undefined;
}

/** Whether it can tell a miss by such a value. One that looks at errors alone need not. */
export function canTell(isMiss: IsMiss<never>, value: unknown): boolean {
  return isMiss[CLASSIFIER]?.tells?.(value) ?? true;
}

/** What all of these can tell together. */
export function toldByOneOf(
  classifiers: readonly IsMiss<never>[],
): ((value: unknown) => boolean) | undefined {
  const looking = classifiers.filter(
    (isMiss) => isPlain(isMiss) || isMiss[CLASSIFIER].tells !== undefined,
  );
  if (looking.length === 0) return undefined;
  return (value) => looking.some((isMiss) => canTell(isMiss, value));
}

/** What `isMiss` says of an attempt: a plain function gets the value. */
export function askIsMiss<T>(isMiss: IsMiss<T>, attempt: Attempt<T>): boolean {
  if (isPlain(isMiss)) return attempt.ok && isMiss(attempt.value);
  const ask: (attempt: Attempt<T>) => boolean = isMiss;
  return ask(attempt);
}
