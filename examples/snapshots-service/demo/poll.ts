import type { CatchUpCounts } from './catch-up-counts.ts';
import type { Answer } from './runner.ts';

/** What the services do about a read that the standby misses. */
export const FALLBACKS = ['informed', 'blind', 'off'] as const;
export type Fallback = (typeof FALLBACKS)[number];

/** One question, as all services answered it at the same moment. */
export type Poll = Readonly<Record<Fallback, Answer>>;

/** All polls at one lag. */
export interface Level {
  /** How far the standby was behind. */
  readonly lag: string;
  readonly polls: readonly Poll[];
  /** What the informed ones did to learn how long to wait. */
  readonly catchUps: CatchUpCounts;
}

export const ENDS = ['replica', 'replica_retry', 'primary', 'failed'] as const;

/** Who answered a poll. */
export type PollEnd = (typeof ENDS)[number];

export function endOf(fallback: Fallback, { status, outcome }: Answer): PollEnd {
  if (status >= 400) return 'failed';
  // A bypass asks one server only.
  const bypassed = fallback === 'off' ? 'replica' : 'primary';
  const source = outcome === 'bypass' ? bypassed : outcome;
  return ENDS.find((end) => end === source) ?? 'failed';
}
