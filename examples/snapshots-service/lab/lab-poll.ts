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

export type LaneName = 'replica' | 'primary' | 'sticky' | 'blind' | 'catch-up';

/** One question in one lane, and how it was answered. */
export interface LabPoll {
  /** The question's, which is the same in all lanes. */
  readonly id: number;
  readonly lane: LaneName;
  /** When it was asked, in milliseconds since 1970. */
  readonly at: number;
  readonly durationMs: number;
  readonly outcome: LabOutcome;
  /** It was answered "not found", and the primary had it all the time. */
  readonly isLie: boolean;
  /** It asked for an id that exists nowhere. */
  readonly isBogus: boolean;
  /** How its wait for the standby to catch up ended. `null` when there was none. */
  readonly catchUpEnd: CatchUpEnd | null;
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  readonly attempts: readonly LabAttempt[];
}
