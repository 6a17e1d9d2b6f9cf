/** @import { LabPoll } from '../lab-poll.ts' */
/** @import { SceneOutcome } from '../scenes.ts' */
import { kindOf } from './kinds.js';

/** How fine times are told apart: bins for each power of ten, from 0.1 ms to 10 s. */
export const BINS_PER_DECADE = 24;
export const LEAST_DECADE = -1;
const BINS = 5 * BINS_PER_DECADE;

/**
 * What the polls of some time came to. `late` counts those that needed a second answer, or got a wrong one, by their
 * kind and by how long they took.
 *
 * @typedef {object} Totals
 * @property {number} polls
 * @property {number} wrong
 * @property {number} onPrimary
 * @property {number} rightFromReplica
 * @property {Map<SceneOutcome, Uint32Array>} late
 */

/** Counts the polls of a lane second by second, so that their number does not matter. */
export class Stats {
  /** @type {Map<number, Totals>} */
  #seconds = new Map();

  /** @param {LabPoll} poll */
  add(poll) {
    const kind = kindOf(poll);
    const isWrong = kind === 'lie' || kind === 'error';
    const asksPrimary = poll.attempts.some(({ source }) => source === 'primary');
    const totals = this.#of(secondOf(poll.at));
    totals.polls += 1;
    totals.wrong += Number(isWrong);
    totals.onPrimary += Number(asksPrimary);
    totals.rightFromReplica += Number(!isWrong && !asksPrimary);
    if (isWrong || poll.attempts.length > 1) {
      addTo(binsOf(totals, kind), binOf(poll.durationMs), 1);
    }
  }

  /**
   * When the first whole second after a moment begins, which is where counts begin.
   *
   * @param {number} from
   */
  static begin(from) {
    return Math.ceil(from / 1000) * 1000;
  }

  /**
   * All of the whole seconds since a moment. What is older is forgotten.
   *
   * @param {number} from
   */
  since(from) {
    const sum = noTotals();
    for (const [second, totals] of this.#seconds) {
      if (second * 1000 < Stats.begin(from)) {
        this.#seconds.delete(second);
        continue;
      }
      sum.polls += totals.polls;
      sum.wrong += totals.wrong;
      sum.onPrimary += totals.onPrimary;
      sum.rightFromReplica += totals.rightFromReplica;
      for (const [kind, counts] of totals.late) {
        const bins = binsOf(sum, kind);
        for (const [bin, count] of counts.entries()) addTo(bins, bin, count);
      }
    }
    return sum;
  }

  /** @param {number} second */
  #of(second) {
    const totals = this.#seconds.get(second) ?? noTotals();
    this.#seconds.set(second, totals);
    return totals;
  }
}

/**
 * The time that `percent` of the late reads did not exceed, of those that were answered rightly.
 *
 * @param {Totals} totals
 * @param {number} percent
 */
export function percentileOf({ late }, percent) {
  const bins = new Uint32Array(BINS);
  for (const [kind, counts] of late) {
    if (kind === 'lie' || kind === 'error') continue;
    for (const [bin, count] of counts.entries()) addTo(bins, bin, count);
  }
  const all = bins.reduce((sum, count) => sum + count, 0);
  if (all === 0) return Number.NaN;
  let rest = Math.ceil((percent / 100) * all);
  for (const [bin, count] of bins.entries()) {
    if (count >= rest) return 10 ** (LEAST_DECADE + (bin + (rest - 0.5) / count) / BINS_PER_DECADE);
    rest -= count;
  }
  return Number.NaN;
}

/** @param {number} ms */
export function binOf(ms) {
  const bin = Math.floor((Math.log10(ms) - LEAST_DECADE) * BINS_PER_DECADE);
  return Math.min(Math.max(bin, 0), BINS - 1);
}

/** @returns {Totals} */
function noTotals() {
  return { polls: 0, wrong: 0, onPrimary: 0, rightFromReplica: 0, late: new Map() };
}

/** @param {Totals} totals @param {SceneOutcome} kind */
function binsOf({ late }, kind) {
  const bins = late.get(kind) ?? new Uint32Array(BINS);
  late.set(kind, bins);
  return bins;
}

/** @param {Uint32Array} bins @param {number} bin @param {number} count */
function addTo(bins, bin, count) {
  bins[bin] = (bins[bin] ?? 0) + count;
}

/** @param {number} at */
function secondOf(at) {
  return Math.floor(at / 1000);
}
