import type { Attempt } from './attempt.ts';
import { askIsMiss, type ErrorClassifier } from './classifier.ts';
import {
  InvalidOptionError,
  NotPrimaryError,
  ReplicaBehindError,
  ReplicaTimeoutError,
} from './errors.ts';
import { isObject } from './is-object.ts';
import { noRow } from './miss.ts';
import type { ReplicaFallbackOptions } from './options.ts';
import { executed } from './run-query.ts';

/** What the ladder makes of an attempt: what the caller gets, or why the read goes on. */
export type Verdict<T> =
  | { readonly kind: 'answer'; readonly ending: Ending<T> & { readonly ok: true } }
  | { readonly kind: 'error'; readonly ending: Failed }
  | MissOrFailure<T>
  | { readonly kind: 'rejected'; readonly ending: Failed };

/** Why a read goes on. */
export type MissOrFailure<T> =
  | { readonly kind: 'miss'; readonly ending: Attempt<T> }
  | { readonly kind: 'failure'; readonly ending: Attempt<T> & Failed };

/** What the caller gets when the read ends. */
export type Ending<T> = { readonly ok: true; readonly value: T } | Failed;

interface Failed {
  readonly ok: false;
  readonly error: unknown;
}

/** Judges an attempt. What a classifier throws ends the read. */
export function judge<T>(
  attempt: Attempt<T>,
  options: Pick<ReplicaFallbackOptions<never, T>, 'isMiss' | 'isUnavailable' | 'signal'>,
): Verdict<T> {
  const { isMiss = noRow, isUnavailable, signal } = options;
  try {
    if (attempt.ok) executed(attempt.value);
    else if (isFinal(attempt.error, signal)) return { kind: 'error', ending: attempt };
    else if (attempt.error instanceof ReplicaBehindError) return { kind: 'miss', ending: attempt };
    else if (attempt.source !== 'primary' && isFailure(attempt.error, isUnavailable)) {
      return { kind: 'failure', ending: attempt };
    }
    if (saysYes('isMiss', askIsMiss(isMiss, attempt))) return { kind: 'miss', ending: attempt };
  } catch (error) {
    return { kind: 'error', ending: { ok: false, error } };
  }
  return attempt.ok ? { kind: 'answer', ending: attempt } : { kind: 'error', ending: attempt };
}

/**
 * An abort is the caller's wish, and a bad query the caller's mistake: asking again changes neither. That the primary is none is
 * no answer of the query, so no classifier judges it.
 */
function isFinal(error: unknown, signal: AbortSignal | undefined): boolean {
  const isOurs = error instanceof InvalidOptionError || error instanceof NotPrimaryError;
  return isReason(error, signal) || isOurs || isAbort(error);
}

/** Whether a signal was aborted with this. */
export function isReason(error: unknown, signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true && error === signal.reason;
}

/** A timeout counts as a failure whatever the caller says of errors: it is the caller who asked for the limit. */
function isFailure(error: unknown, isUnavailable: ErrorClassifier | undefined): boolean {
  return (
    error instanceof ReplicaTimeoutError ||
    (isUnavailable !== undefined && saysYes('isUnavailable', isUnavailable(error)))
  );
}

/** What a query throws that was given a signal and aborted by it. */
export function isAbort(error: unknown): boolean {
  return hasName(error, 'AbortError');
}

/** The same for a signal by `AbortSignal.timeout()`. */
export function isTimeout(error: unknown): boolean {
  return hasName(error, 'TimeoutError');
}

/** By its shape: in Jest, what Node.js throws is no instance of a test's `Error`. */
function hasName(error: unknown, name: string): boolean {
  return isObject(error) && 'name' in error && error.name === name;
}

/** A promise or a function would be a yes to every question, and types do not keep JavaScript from giving one. */
export function saysYes(option: string, answer: unknown): boolean {
  if (typeof answer === 'function' || (isObject(answer) && 'then' in answer)) {
    throw new InvalidOptionError(option, 'a function that returns a boolean', answer);
  }
  return Boolean(answer);
}
