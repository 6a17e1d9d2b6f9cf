/** @import { LabNews } from '../lab-record.ts' */
/** @import { LabPoll } from '../lab-poll.ts' */
/** @import { LagSample } from '../lag-meter.ts' */
/** @import { LabTotals } from '../totals.ts' */

/** How far back the page remembers. */
const WINDOW_MS = 60_000;
/** So many at most, however fast they come: a minute of as many polls as the lab can be set to. */
const MOST_POLLS = 24_000;

/** What happened in the last minute, by the server's clock. Nothing older is kept. */
export class Recent {
  /** @type {LabPoll[]} */
  polls = [];
  /** @type {LagSample[]} */
  lag = [];
  /** @type {LabTotals | undefined} */
  totals;
  #clockOffset = 0;
  /** @type {number | undefined} */
  #stoppedAt;

  /** Time as it is on the server, or as it was when the connection was lost. */
  get now() {
    return this.#stoppedAt ?? performance.now() + this.#clockOffset;
  }

  /** Forgets all, because the server tells all that it remembers. */
  clear() {
    this.polls = [];
    this.lag = [];
  }

  /** @param {LabNews} news */
  add({ now, polls, lag, totals }) {
    this.#stoppedAt = undefined;
    this.#clockOffset = now - performance.now();
    this.totals = totals;
    this.polls.push(...polls);
    this.lag.push(...lag);
    const oldest = now - WINDOW_MS;
    dropFront(this.polls, ({ at }) => at < oldest, this.polls.length - MOST_POLLS);
    dropFront(this.lag, ({ at }) => at < oldest, 0);
  }

  /** When a server did not answer: from, and to. */
  gaps() {
    /** @type {[from: number, to: number][]} */
    const found = [];
    for (const [index, { at, lagMs }] of this.lag.entries()) {
      if (lagMs !== null) continue;
      const to = this.lag[index + 1]?.at ?? this.now;
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
 * @template T
 * @param {T[]} items
 * @param {(item: T) => boolean} isOld
 * @param {number} atLeast
 */
function dropFront(items, isOld, atLeast) {
  const firstToKeep = items.findIndex((item) => !isOld(item));
  const old = firstToKeep === -1 ? items.length : firstToKeep;
  items.splice(0, Math.max(old, atLeast));
}
