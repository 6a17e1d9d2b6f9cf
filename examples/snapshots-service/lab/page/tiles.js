/** @import { LabPoll } from '../lab-poll.ts' */
/** @import { Recent } from './recent.js' */
import { byId, make, setText } from './dom.js';
import { formatCount, formatMs, formatShare } from './format.js';
import { kindOf, makeSymbol } from './kinds.js';

const RATE_MS = 5_000;

/**
 * The numbers above the timeline. Large: of the last minute. Small: since the lab was opened.
 *
 * @param {Recent} recent
 * @returns {() => void} draws them anew
 */
export function showTiles(recent) {
  const list = byId('tiles', HTMLDListElement);
  /** @param {Parameters<typeof makeSymbol>[0] | null} kind @param {string} label */
  const tile = (kind, label) => {
    const value = make('dd', { className: 'value' });
    const note = make('dd', { className: 'note' });
    const term = make('dt', {}, ...(kind === null ? [] : [makeSymbol(kind)]), label);
    list.append(make('div', {}, term, value, note));
    return { value, note };
  };
  const share = tile('replica', 'Replica served');
  const retries = tile('replica_retry', 'Saved by retry');
  const spills = tile('primary', 'Spills');
  const bad = tile('lie', 'Lies, errors');
  const load = tile(null, 'Primary reads');
  const p50 = tile(null, 'p50');
  const p99 = tile(null, 'p99');

  return () => {
    const { polls, totals, now } = recent;
    /** @param {(poll: typeof polls[number]) => boolean} test */
    const count = (test) => polls.reduce((sum, poll) => sum + Number(test(poll)), 0);
    const hits = count(({ outcome }) => outcome === 'replica');
    const retried = count(({ outcome }) => outcome === 'replica_retry');
    const spilled = count((poll) => hasSpilled(poll));
    const badPolls = count(isBad);
    const recently = polls.filter(({ at }) => at > now - RATE_MS);
    const seconds = RATE_MS / 1000;
    // What is quick but wrong is not quick.
    const right = polls.filter((poll) => !isBad(poll));
    const latencies = right.map(({ durationMs }) => durationMs).toSorted((a, b) => a - b);

    setText(share.value, formatShare((hits + retried) / polls.length));
    setText(retries.value, formatCount(retried));
    setText(spills.value, formatCount(spilled));
    setText(bad.value, formatCount(badPolls));
    setText(load.value, `${(recently.filter(hasSpilled).length / seconds).toFixed(1)} /s`);
    setText(p50.value, formatMs(percentile(latencies, 50)));
    setText(p99.value, formatMs(percentile(latencies, 99)));

    setText(load.note, `of ${(recently.length / seconds).toFixed(1)} polls/s`);
    setText(p50.note, `of ${formatCount(right.length)} right`);
    setText(p99.note, 'last minute');
    if (totals === undefined) return;
    const all = (totals.replica + totals.replica_retry) / totals.polls;
    setText(share.note, `${formatShare(all)} of ${formatCount(totals.polls)}`);
    setText(retries.note, `${formatCount(totals.replica_retry)} in all`);
    setText(spills.note, `${formatCount(totals.spills)} in all`);
    setText(bad.note, `${formatCount(totals.lies + totals.error)} in all`);
    bad.value.classList.toggle('bad', badPolls > 0);
  };
}

/**
 * Whether its caller got an error, or was told what is not true.
 *
 * @param {LabPoll} poll
 */
function isBad(poll) {
  return ['lie', 'error'].includes(kindOf(poll));
}

/** @param {{ attempts: readonly { source: string }[] }} poll */
function hasSpilled({ attempts }) {
  return attempts.some(({ source }) => source === 'primary');
}

/**
 * The smallest value that is not exceeded by `percent` of all.
 *
 * @param {readonly number[]} sorted
 * @param {number} percent
 */
function percentile(sorted, percent) {
  return sorted[Math.ceil((percent / 100) * sorted.length) - 1] ?? Number.NaN;
}
