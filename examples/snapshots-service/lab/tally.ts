import type { LabPoll, LaneName } from './lab-poll.ts';

/** What polls came to, lane by lane. */
export type Tally = Readonly<Record<LaneName, LaneTally>>;

interface LaneTally {
  readonly polls: number;
  /** Those that were answered "not found" about a row that exists, or failed. */
  readonly wrong: number;
  /** Those that asked the primary. */
  readonly onPrimary: number;
}

const NONE: LaneTally = { polls: 0, wrong: 0, onPrimary: 0 };

export const NO_POLLS: Tally = {
  replica: NONE,
  primary: NONE,
  sticky: NONE,
  blind: NONE,
  'catch-up': NONE,
};

export function addToTally(tally: Tally, poll: LabPoll): Tally {
  const { polls, wrong, onPrimary } = tally[poll.lane];
  const asksPrimary = poll.attempts.some(({ source }) => source === 'primary');
  return {
    ...tally,
    [poll.lane]: {
      polls: polls + 1,
      wrong: wrong + Number(poll.isLie || poll.outcome === 'error'),
      onPrimary: onPrimary + Number(asksPrimary),
    },
  };
}
