import { type Attempt, type AttemptSource, executed } from './attempt.ts';
import { InvalidOptionError } from './errors.ts';
import { noRow } from './miss.ts';
import type { ReplicaFallbackOptions } from './options.ts';

/** A read that is not over with its first attempt: where it stands, and what a report will want to know. */
export class Read<T> {
  /** When the read was called, on the clock of `performance.now()`. */
  readonly startedAt: number;
  /** When its first attempt was a miss, on the same clock. */
  recoveringSince: number | undefined;
  attempts = 0;
  /** The last attempt: who was asked, how it ended, and whether that was a miss. */
  source: AttemptSource = 'replica';
  attempt!: Attempt<T>;
  missed = false;

  constructor(startedAt: number) {
    this.startedAt = startedAt;
  }

  /** Takes in an attempt in which the query ran, and what `judge` said of it. */
  conclude(source: AttemptSource, attempt: Attempt<T>, verdict: Attempt<T> | undefined): void {
    this.attempts++;
    this.source = source;
    this.attempt = verdict ?? attempt;
    this.missed = verdict === undefined;
  }

  /** Ends the read with an error that does not come from an attempt. */
  fail(error: unknown): void {
    this.attempt = { ok: false, error };
    this.missed = false;
  }
}

/**
 * What the caller gets of an attempt; `undefined` when it is a miss. When the classifier throws, the caller gets that.
 */
export function judge<T>(
  attempt: Attempt<T>,
  { isMiss = noRow, signal }: Pick<ReplicaFallbackOptions<unknown, T>, 'isMiss' | 'signal'>,
): Attempt<T> | undefined {
  try {
    if (attempt.ok) executed(attempt.value);
    else if (isFinal(attempt.error, signal)) return attempt;
    return isMiss(attempt) ? undefined : attempt;
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
