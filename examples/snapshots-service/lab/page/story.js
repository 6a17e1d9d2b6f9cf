/** @import { LabAttempt, LabPoll } from '../lab-poll.ts' */
import { byId, make, setText } from './dom.js';
import { formatMs } from './format.js';
import { kindOf, makeSymbol } from './kinds.js';

/**
 * A rung of the ladder: what was done there, and when. Without times it was not climbed.
 *
 * @typedef {{ name: string, startMs?: number, endMs?: number, says: string, answer: string }} Rung
 */

/** Tells how one poll went: each rung of the ladder, with a bar for its time. */
export function showStory() {
  const line = byId('story-line', HTMLElement);
  const which = byId('story-which', HTMLElement);
  const ladder = byId('ladder', HTMLElement);
  const rungs = ['replica', 'wait', 'replica_retry', 'primary'].map((name) => {
    const bar = make('span', { className: 'bar' });
    const says = make('span', { className: 'says' });
    const time = make('span', { className: 'time' });
    const track = make('span', { className: 'track', ariaHidden: 'true' }, bar);
    const item = make('li', {}, make('span', { className: 'name' }, name), track, time, says);
    item.dataset['answer'] = 'none';
    ladder.append(item);
    return { item, bar, says, time };
  });

  const tellNothing = () => {
    shownId = undefined;
    setText(which, '');
    line.replaceChildren('No poll yet.');
    for (const { item, says, time } of rungs) {
      item.dataset['answer'] = 'none';
      says.textContent = time.textContent = '';
    }
  };

  /** @type {number | undefined} */
  let shownId;
  /** @param {LabPoll | undefined} poll @param {number} now */
  return (poll, now) => {
    if (poll === undefined) {
      if (shownId !== undefined) tellNothing();
      return;
    }
    const kind = kindOf(poll);
    const ago = Math.max(0, (now - poll.at) / 1000).toFixed(1);
    setText(which, `#${poll.id}, ${ago} s ago`);
    if (shownId !== poll.id) {
      const moral = ` in ${formatMs(poll.durationMs)}. ${moralOf(poll)}`;
      line.replaceChildren(makeSymbol(kind), make('strong', {}, kind), moral);
    }
    shownId = poll.id;
    for (const [index, rung] of rungsOf(poll).entries()) {
      const shown = rungs[index];
      if (shown === undefined) continue;
      const { startMs, endMs, says, answer } = rung;
      const { item, bar, time } = shown;
      const isClimbed = startMs !== undefined && endMs !== undefined;
      item.dataset['answer'] = answer;
      setText(shown.says, says);
      setText(time, isClimbed ? formatMs(endMs - startMs) : '–');
      if (!isClimbed) continue;
      const total = Math.max(poll.durationMs, endMs);
      bar.style.insetInlineStart = `${(startMs / total) * 100}%`;
      bar.style.inlineSize = `${((endMs - startMs) / total) * 100}%`;
    }
  };
}

/**
 * @param {LabPoll} poll
 * @returns {Rung[]}
 */
function rungsOf(poll) {
  const { attempts, fallback, retryMinMs, retryMaxMs } = poll;
  /** @param {LabAttempt['source']} source */
  const find = (source) => attempts.find((attempt) => attempt.source === source);
  const [first] = attempts;
  const retry = find('replica_retry');
  const unclimbed = fallback ? 'not needed' : 'not asked: the fallback is off';
  const skipped = (fallback && whySkipped(first?.answer, retryMaxMs)) || unclimbed;
  /** @type {Rung} */
  const wait = {
    name: 'wait',
    says: retry === undefined ? skipped : `a random time from ${retryMinMs} to ${retryMaxMs} ms`,
    answer: retry === undefined ? 'none' : 'wait',
    ...(first !== undefined &&
      retry !== undefined && { startMs: first.endMs, endMs: retry.startMs }),
  };
  return [
    rungOf('replica', first, unclimbed),
    wait,
    rungOf('replica_retry', retry, skipped),
    rungOf('primary', find('primary'), unclimbed),
  ];
}

/**
 * Why a read that needed the primary did not wait before it asked.
 *
 * @param {LabAttempt['answer'] | undefined} answer - the replica's first
 * @param {number} retryMaxMs
 */
function whySkipped(answer, retryMaxMs) {
  if (answer === 'failure') return 'skipped: the replica is down';
  return answer === 'miss' && retryMaxMs === 0 ? 'skipped: the wait is set to 0' : undefined;
}

/**
 * @param {LabAttempt['source']} name
 * @param {LabAttempt | undefined} attempt
 * @param {string} unclimbed
 * @returns {Rung}
 */
function rungOf(name, attempt, unclimbed) {
  if (attempt === undefined) return { name, says: unclimbed, answer: 'none' };
  return { name, ...attempt, says: ANSWERS[name][attempt.answer] };
}

const REPLICA_ANSWERS = {
  found: 'found',
  miss: 'a miss: not here (yet)',
  failure: 'a failure: it could not answer',
  error: 'an error: it goes to the caller',
};

const ANSWERS = {
  replica: REPLICA_ANSWERS,
  replica_retry: REPLICA_ANSWERS,
  primary: { ...REPLICA_ANSWERS, miss: 'not here either: so it is true' },
};

/** @param {LabPoll} poll */
function moralOf(poll) {
  const kind = kindOf(poll);
  const hasFailed = poll.attempts.some(({ answer }) => answer === 'failure');
  switch (kind) {
    case 'replica':
      return 'The replica had the row, and the primary was spared.';
    case 'replica_retry':
      return 'The replica had the row after a wait, and the primary was spared.';
    case 'primary':
      if (hasFailed) return 'The replica could not answer, so the primary did.';
      return poll.retryMaxMs === 0
        ? 'The replica did not have the row yet, and without a wait the primary answered.'
        : 'The lag outlasted the wait, so the primary answered.';
    case 'not_found':
      return 'The id is bogus, and only the primary could say so.';
    case 'lie':
      return 'The row is on the primary. The replica said “not found”, and nobody asked further.';
    case 'error':
      return 'The caller got an error.';
    default:
      return kind;
  }
}
