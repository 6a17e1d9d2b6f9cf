import { createHistory } from './history.ts';
import type { LabPoll, NewLabPoll } from './lab-poll.ts';
import type { LagSample } from './lag-meter.ts';
import { addToTotals, type LabTotals, NO_TOTALS } from './totals.ts';

/** What happened. The first one that a visitor is told is all that is still remembered. */
export interface LabNews {
  /** The server's clock, in milliseconds since 1970. */
  readonly now: number;
  readonly polls: readonly LabPoll[];
  readonly lag: readonly LagSample[];
  readonly totals: LabTotals;
}

/** What the lab remembers of its polls and its lag: the newest few, and the totals of all. */
export interface LabRecord {
  readonly addPoll: (poll: NewLabPoll) => void;
  readonly addLag: (sample: LagSample) => void;
  /** Gives, at each call, what happened since the call before. */
  readonly reader: () => () => LabNews;
}

const MOST_POLLS = 3000;
const MOST_SAMPLES = 600;

export function createLabRecord(): LabRecord {
  const polls = createHistory<LabPoll>(MOST_POLLS);
  const lag = createHistory<LagSample>(MOST_SAMPLES);
  let totals = NO_TOTALS;
  return {
    addPoll(poll) {
      polls.add({ id: polls.last + 1, ...poll });
      totals = addToTotals(totals, poll);
    },
    addLag: (sample) => lag.add(sample),
    reader() {
      let lastPoll = 0;
      let lastSample = 0;
      return () => {
        const news = {
          now: Date.now(),
          polls: polls.after(lastPoll),
          lag: lag.after(lastSample),
          totals,
        };
        lastPoll = polls.last;
        lastSample = lag.last;
        return news;
      };
    },
  };
}
