import { createHistory } from './history.ts';
import type { LabPoll } from './lab-poll.ts';
import type { LagSample } from './lag-meter.ts';

/** What happened. The first one that a visitor is told is all of the last half minute, in parts. */
export interface LabNews {
  /** The server's clock, in milliseconds since 1970. */
  readonly now: number;
  readonly polls: readonly LabPoll[];
  readonly samples: readonly LabSample[];
  readonly marks: readonly LabMark[];
  /** Whether there is more to be told at once. */
  readonly isPart: boolean;
}

/** How things were at a moment. */
export interface LabSample extends LagSample {
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
}

/** The beginning of a scene's step. */
export interface LabMark {
  /** In milliseconds since 1970. */
  readonly at: number;
  readonly text: string;
}

/** What the lab remembers: all of the last half minute, as far as there is room. */
export interface LabRecord {
  readonly addPoll: (poll: LabPoll) => void;
  readonly addSample: (sample: LabSample) => void;
  readonly addMark: (mark: LabMark) => void;
  /** Gives, at each call, what happened since the call before. */
  readonly reader: () => () => LabNews;
}

const REMEMBERED_MS = 30_000;
/** Half a minute of as many as the lab can be set to. */
const MOST_POLLS = 30_000;
const MOST_SAMPLES = 200;
const MOST_MARKS = 50;
/** So few that a page has drawn them in no time. */
const MOST_AT_ONCE = 250;

export function createLabRecord(): LabRecord {
  const polls = createHistory<LabPoll>(MOST_POLLS);
  const samples = createHistory<LabSample>(MOST_SAMPLES);
  const marks = createHistory<LabMark>(MOST_MARKS);
  return {
    addPoll: (poll) => polls.add(poll),
    addSample: (sample) => samples.add(sample),
    addMark: (mark) => marks.add(mark),
    reader() {
      let lastSample = 0;
      let lastMark = 0;
      let lastPoll = 0;
      return () => {
        const now = Date.now();
        const isRemembered = ({ at }: { at: number }) => at >= now - REMEMBERED_MS;
        const newPolls = polls.after(lastPoll).filter(isRemembered);
        const rest = newPolls.slice(MOST_AT_ONCE);
        const news = {
          now,
          polls: newPolls.slice(0, MOST_AT_ONCE),
          samples: samples.after(lastSample).filter(isRemembered),
          marks: marks.after(lastMark).filter(isRemembered),
          isPart: rest.length > 0,
        };
        lastPoll = polls.last - rest.length;
        lastSample = samples.last;
        lastMark = marks.last;
        return news;
      };
    },
  };
}
