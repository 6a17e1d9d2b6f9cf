/** @import { LabMark, LabNews, LabSample } from '../lab-record.ts' */
/** @import { LabPoll, LaneName } from '../lab-poll.ts' */
import { Stats } from './stats.js';

/** How far back the page goes, in all that it shows. */
export const SHOWN_MS = 30_000;
/** Samples that are farther apart have a time between them of which nothing is known. */
export const LONGEST_STEP_MS = 2_000;

/** What happened in the last half minute, by the server's clock. Nothing older is kept. */
export class Recent {
  /** @type {LabSample[]} */
  samples = [];
  /** @type {LabMark[]} */
  marks = [];
  /** @type {Map<LaneName, { polls: LabPoll[], stats: Stats }>} */
  #lanes = new Map();
  #clockOffset = 0;
  /** @type {number | undefined} */
  #stoppedAt;

  /** Time as it is on the server, or as it was when the connection was lost. */
  get now() {
    return this.#stoppedAt ?? performance.now() + this.#clockOffset;
  }

  /** @param {LaneName} name */
  lane(name) {
    const lane = this.#lanes.get(name) ?? { polls: [], stats: new Stats() };
    this.#lanes.set(name, lane);
    return lane;
  }

  /** Forgets all, because the server tells all that it remembers. */
  clear() {
    this.samples = [];
    this.marks = [];
    this.#lanes.clear();
  }

  /** @param {LabNews} news */
  add({ now, polls, samples, marks }) {
    this.#stoppedAt = undefined;
    this.#clockOffset = now - performance.now();
    for (const poll of polls) {
      const lane = this.lane(poll.lane);
      lane.polls.push(poll);
      lane.stats.add(poll);
    }
    this.samples.push(...samples);
    this.marks.push(...marks);
    const oldest = now - SHOWN_MS;
    dropOld(this.samples, oldest);
    dropOld(this.marks, oldest);
    for (const lane of this.#lanes.values()) dropOld(lane.polls, oldest);
  }

  /** When a server did not answer: from, and to. */
  gaps() {
    /** @type {[from: number, to: number][]} */
    const found = [];
    for (const [index, { at, lagMs }] of this.samples.entries()) {
      if (lagMs !== null) continue;
      const to = this.samples[index + 1]?.at ?? this.now;
      const last = found.at(-1);
      if (last !== undefined && last[1] === at) last[1] = to;
      else found.push([at, to]);
    }
    return found;
  }

  /** Time stands still until there are news again. */
  stop() {
    this.#stoppedAt ??= this.now;
  }
}

/**
 * @param {{ at: number }[]} items
 * @param {number} oldest
 */
function dropOld(items, oldest) {
  const firstToKeep = items.findIndex(({ at }) => at >= oldest);
  items.splice(0, firstToKeep === -1 ? items.length : firstToKeep);
}
