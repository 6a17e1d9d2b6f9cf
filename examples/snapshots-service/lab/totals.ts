import type { LabOutcome, NewLabPoll } from './lab-poll.ts';

/** What all polls since the lab opened came to. */
export interface LabTotals extends Readonly<Record<LabOutcome, number>> {
  readonly polls: number;
  readonly lies: number;
  /** Attempts on the primary. */
  readonly spills: number;
}

export const NO_TOTALS: LabTotals = {
  polls: 0,
  replica: 0,
  replica_retry: 0,
  primary: 0,
  not_found: 0,
  error: 0,
  lies: 0,
  spills: 0,
};

export function addToTotals(totals: LabTotals, poll: NewLabPoll): LabTotals {
  const spills = poll.attempts.filter(({ source }) => source === 'primary').length;
  return {
    ...totals,
    polls: totals.polls + 1,
    [poll.outcome]: totals[poll.outcome] + 1,
    lies: totals.lies + Number(poll.isLie),
    spills: totals.spills + spills,
  };
}
