import type { Attempt } from './attempt.ts';
import {
  InvalidOptionError,
  type PrimaryBudgetExceededError,
  ReplicaBehindError,
  ReplicaTimeoutError,
} from './errors.ts';
import { isObject } from './is-object.ts';
import { type ErrorClassifier, noRow } from './miss.ts';
import type { ReplicaFallbackOptions } from './options.ts';
import { executed } from './run-query.ts';

/** What the ladder makes of an attempt: what the caller gets, or why the read goes on. */
export type Verdict<T> =
  | { readonly kind: 'answer'; readonly value: T }
  | { readonly kind: 'error'; readonly error: unknown }
  | MissOrFailure<T>
  | { readonly kind: 'rejected'; readonly error: PrimaryBudgetExceededError };

/** Why a read goes on. */
export type MissOrFailure<T> =
  | { readonly kind: 'miss'; readonly attempt: Attempt<T> }
  | { readonly kind: 'failure'; readonly attempt: Attempt<T> & { readonly ok: false } };

/** What the caller gets of a read. */
export type Ending<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: unknown };

/** What the caller gets when the read ends with this verdict. */
export function endingOf<T>(verdict: Verdict<T>): Ending<T> {
  switch (verdict.kind) {
    case 'answer':
      return { ok: true, value: verdict.value };
    case 'miss':
    case 'failure':
      return verdict.attempt;
    case 'error':
    case 'rejected':
      return { ok: false, error: verdict.error };
    default:
      return verdict satisfies never;
  }
}

/** Judges an attempt. What a classifier throws ends the read. */
export function judge<T>(
  attempt: Attempt<T>,
  options: Pick<ReplicaFallbackOptions<never, T>, 'isMiss' | 'isUnavailable' | 'signal'>,
): Verdict<T> {
  const { isMiss = noRow, isUnavailable, signal } = options;
  try {
    if (attempt.ok) executed(attempt.value);
    else if (isFinal(attempt.error, signal)) return { kind: 'error', error: attempt.error };
    else if (attempt.error instanceof ReplicaBehindError) return { kind: 'miss', attempt };
    else if (attempt.source !== 'primary' && isFailure(attempt.error, isUnavailable)) {
      return { kind: 'failure', attempt };
    }
    if (saysYes('isMiss', isMiss(attempt))) return { kind: 'miss', attempt };
  } catch (error) {
    return { kind: 'error', error };
  }
  return attempt.ok
    ? { kind: 'answer', value: attempt.value }
    : { kind: 'error', error: attempt.error };
}

/** An abort is the caller's wish, and a bad query the caller's mistake: asking again changes neither. */
function isFinal(error: unknown, signal: AbortSignal | undefined): boolean {
  if (signal?.aborted && error === signal.reason) return true;
  return error instanceof InvalidOptionError || hasName(error, 'AbortError');
}

/** A timeout counts as a failure whatever the caller says of errors: it is the caller who asked for the limit. */
function isFailure(error: unknown, isUnavailable: ErrorClassifier | undefined): boolean {
  return (
    error instanceof ReplicaTimeoutError ||
    (isUnavailable !== undefined && saysYes('isUnavailable', isUnavailable(error)))
  );
}

/** What a query throws that was given a signal and aborted by it, the one of `AbortSignal.timeout()` included. */
export function isAbort(error: unknown): boolean {
  return hasName(error, 'AbortError') || hasName(error, 'TimeoutError');
}

/** By its shape: in Jest, what Node.js throws is no instance of a test's `Error`. */
function hasName(error: unknown, name: string): boolean {
  return isObject(error) && 'name' in error && error.name === name;
}

/** A promise would be a yes to every question, and types do not keep JavaScript from giving one. */
function saysYes(classifier: string, answer: unknown): boolean {
  if (isObject(answer) && 'then' in answer) {
    throw new InvalidOptionError(classifier, 'a function that returns a boolean', answer);
  }
  return Boolean(answer);
}
