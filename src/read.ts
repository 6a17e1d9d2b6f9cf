import { type Attempt, type AttemptSource, executed } from './attempt.ts';
import { InvalidOptionError, PrimaryBudgetExceededError, ReplicaTimeoutError } from './errors.ts';
import { type ErrorClassifier, noRow } from './miss.ts';
import type { ReplicaFallbackOptions } from './options.ts';
import type { Outcome, ReadReport } from './read-report.ts';

/** Why the replica's answer did not do: it had none yet, or it could not answer. */
export type Cause = 'miss' | 'failure';

/** A read that is not over with its first attempt: where it stands, and what a report will want to know. */
export class Read<T> {
  /** When the read was called, on the clock of `performance.now()`. */
  readonly startedAt: number;
  /** How many flights had started by then: it may join a later one. */
  readonly flightsBefore: number;
  /** When its first attempt was a miss or a failure, on the same clock. */
  recoveringSince: number | undefined;
  /** The first attempt in which a replica could not answer. */
  failure: (Attempt<T> & { readonly ok: false }) | undefined;
  attempts = 0;
  /** The last attempt: who was asked, how it ended, and whether that was a miss or a failure. */
  source: AttemptSource = 'replica';
  attempt!: Attempt<T>;
  cause: Cause | undefined;
  /** Whether the primary's answer is that of a query which another read had started. */
  isCoalesced = false;
  #isRejected = false;

  constructor(startedAt: number, flightsBefore: number) {
    this.startedAt = startedAt;
    this.flightsBefore = flightsBefore;
  }

  /** Takes in an attempt, and what `judge` said of it. */
  conclude(source: AttemptSource, attempt: Attempt<T>, verdict: Attempt<T> | Cause): void {
    this.attempts++;
    this.source = source;
    const isOver = typeof verdict === 'object';
    this.attempt = isOver ? verdict : attempt;
    this.cause = isOver ? undefined : verdict;
    if (verdict === 'failure' && !attempt.ok) this.failure ??= attempt;
  }

  /** Ends the read with an error that does not come from an attempt. */
  fail(error: unknown): void {
    this.attempt = { ok: false, error };
    this.cause = undefined;
  }

  /** Ends the read where it would have to ask the primary. */
  reject(): void {
    this.#isRejected = true;
    this.fail(new PrimaryBudgetExceededError(this.attempt));
  }

  /** How it ended. */
  get outcome(): Outcome {
    if (this.#isRejected) return 'rejected';
    if (this.cause === 'miss') return 'not_found';
    return this.attempt.ok ? this.source : 'error';
  }

  /** What observers hear, now that it has ended. */
  report(operation: string | undefined): ReadReport {
    return {
      operation,
      outcome: this.outcome,
      attempts: this.attempts,
      durationMs: performance.now() - this.startedAt,
      ...(this.failure !== undefined && { replicaError: this.failure.error }),
      ...(this.isCoalesced && { coalesced: true }),
      ...(!this.attempt.ok && { failedDuring: this.source, error: this.attempt.error }),
    };
  }
}

/**
 * What the caller gets of an attempt, or why the ladder goes on. When a classifier throws, the caller gets that.
 */
export function judge<T>(
  source: AttemptSource,
  attempt: Attempt<T>,
  options: Pick<ReplicaFallbackOptions<unknown, T>, 'isMiss' | 'isUnavailable' | 'signal'>,
): Attempt<T> | Cause {
  const { isMiss = noRow, isUnavailable, signal } = options;
  try {
    if (attempt.ok) executed(attempt.value);
    else if (isFinal(attempt.error, signal)) return attempt;
    else if (source !== 'primary' && isFailure(attempt.error, isUnavailable)) return 'failure';
    return isMiss(attempt) ? 'miss' : attempt;
  } catch (error) {
    return { ok: false, error };
  }
}

/** An abort is the caller's wish, and a bad query the caller's mistake: asking again changes neither. */
function isFinal(error: unknown, signal: AbortSignal | undefined): boolean {
  if (signal?.aborted && error === signal.reason) return true;
  return (
    error instanceof InvalidOptionError || (error instanceof Error && error.name === 'AbortError')
  );
}

/** A time-out is a failure whatever the caller says of errors: it is the caller who asked for the limit. */
function isFailure(error: unknown, isUnavailable: ErrorClassifier | undefined): boolean {
  return error instanceof ReplicaTimeoutError || isUnavailable?.(error) === true;
}
