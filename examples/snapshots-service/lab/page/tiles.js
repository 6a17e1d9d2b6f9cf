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
  const lies = tile('lie', 'Lies, errors');
  const load = tile(null, 'Primary queries');
  const p50 = tile(null, 'p50');
  const p99 = tile(null, 'p99');

  return () => {
    const { polls, totals, now } = recent;
    /** @param {(poll: typeof polls[number]) => boolean} test */
    const count = (test) => polls.reduce((sum, poll) => sum + Number(test(poll)), 0);
    const hits = count(({ outcome }) => outcome === 'replica');
    const retried = count(({ outcome }) => outcome === 'replica_retry');
    const spilled = count((poll) => hasSpilled(poll));
    const lied = count((poll) => ['lie', 'error'].includes(kindOf(poll)));
    const recently = polls.filter(({ at }) => at > now - RATE_MS);
    const seconds = RATE_MS / 1000;
    const answered = polls.filter(({ outcome }) => outcome !== 'error');
    const latencies = answered.map(({ durationMs }) => durationMs).toSorted((a, b) => a - b);

    setText(share.value, formatShare((hits + retried) / polls.length));
    setText(retries.value, formatCount(retried));
    setText(spills.value, formatCount(spilled));
    setText(lies.value, formatCount(lied));
    setText(load.value, `${(recently.filter(hasSpilled).length / seconds).toFixed(1)} /s`);
    setText(p50.value, formatMs(percentile(latencies, 50)));
    setText(p99.value, formatMs(percentile(latencies, 99)));

    setText(load.note, `of ${(recently.length / seconds).toFixed(1)} polls/s`);
    setText(p50.note, `of ${formatCount(answered.length)} answers`);
    setText(p99.note, 'last minute');
    if (totals === undefined) return;
    const all = (totals.replica + totals.replica_retry) / totals.polls;
    setText(share.note, `${formatShare(all)} of ${formatCount(totals.polls)}`);
    setText(retries.note, `${formatCount(totals.replica_retry)} in all`);
    setText(spills.note, `${formatCount(totals.spills)} in all`);
    setText(lies.note, `${formatCount(totals.lies + totals.error)} in all`);
    lies.value.classList.toggle('bad', lied > 0);
  };
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
