import type { AttemptSource, CatchUpEnd, Outcome } from 'kysely-replica-fallback';

/** What one attempt of a poll came to. Times are in milliseconds from the poll's beginning. */
export interface LabAttempt {
  readonly source: AttemptSource;
  readonly startMs: number;
  readonly endMs: number;
  readonly answer: 'found' | 'miss' | 'failure' | 'error';
}

/** How a poll can end: it has no budget, so none is rejected. */
export type LabOutcome = Exclude<Outcome, 'rejected'>;

/** One poll, from its question to its answer. */
export interface LabPoll {
  /** Counts up. */
  readonly id: number;
  /** When it was asked, in milliseconds since 1970. */
  readonly at: number;
  readonly durationMs: number;
  readonly outcome: LabOutcome;
  /** It was answered "not found", and the primary had it all the time. */
  readonly isLie: boolean;
  /** It asked for an id that exists nowhere. */
  readonly isBogus: boolean;
  /** Whether the fallback was on. */
  readonly fallback: boolean;
  /** How its wait for the standby to catch up ended. `null` when there was none. */
  readonly catchUpEnd: CatchUpEnd | null;
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  readonly attempts: readonly LabAttempt[];
}

/** A poll before it has its place in the history. */
export type NewLabPoll = Omit<LabPoll, 'id'>;
