/** @import { LabAttempt, LabPoll } from '../lab-poll.ts' */

/**
 * A rung of the ladder: what was done there, and when. Without times it was not climbed.
 *
 * @typedef {{ name: string, startMs?: number, endMs?: number, says: string, answer: string }} Rung
 */

/**
 * The rungs of the ladder, from the first to the last, as a poll has climbed them.
 *
 * @param {LabPoll} poll
 * @returns {Rung[]}
 */
export function rungsOf(poll) {
  const { attempts, catchUpEnd } = poll;
  /** @param {LabAttempt['source']} source */
  const find = (source) => attempts.find((attempt) => attempt.source === source);
  const first = find('replica');
  const retry = find('replica_retry');
  const primary = find('primary');
  const unclimbed = hasLadder(poll) ? 'not needed' : 'not asked';
  const skipped = whySkipped(poll) ?? unclimbed;
  const waitEnd = catchUpEnd === null ? retry : (retry ?? primary);
  /** @type {Rung} */
  const wait =
    first === undefined || waitEnd === undefined
      ? { name: 'wait', says: skipped, answer: 'none' }
      : {
          name: 'wait',
          says: tellWait(poll),
          answer: 'wait',
          startMs: first.endMs,
          endMs: waitEnd.startMs,
        };
  return [
    rungOf('replica', first, unclimbed),
    wait,
    rungOf('replica_retry', retry, skipped, catchUpEnd === 'caught_up'),
    rungOf('primary', primary, unclimbed, true),
  ];
}

/**
 * Why a read that needed another answer did not ask the replica again.
 *
 * @param {LabPoll} poll
 */
function whySkipped(poll) {
  if (!hasLadder(poll)) return undefined;
  const {
    attempts: [first],
    catchUpEnd,
    retryMaxMs,
  } = poll;
  if (first?.answer === 'failure') return 'skipped: the replica is down';
  if (catchUpEnd !== null) return 'skipped: it has not caught up';
  return first?.answer === 'miss' && retryMaxMs === 0 ? 'skipped: the wait is set to 0' : undefined;
}

/** @param {LabPoll} poll */
function hasLadder({ lane }) {
  return lane === 'blind' || lane === 'catch-up';
}

/** @param {LabPoll} poll */
function tellWait({ catchUpEnd, retryMinMs, retryMaxMs }) {
  switch (catchUpEnd) {
    case 'caught_up':
      return 'until it had replayed the primary’s position';
    case 'late':
      return `it did not catch up within ${retryMaxMs} ms`;
    case 'hopeless':
      return 'over at once: it is too far behind';
    case 'unknown':
      return `position unknown: ${retryMinMs} to ${retryMaxMs} ms`;
    case null:
      return `a random time from ${retryMinMs} to ${retryMaxMs} ms`;
    default:
      return catchUpEnd;
  }
}

/**
 * @param {LabAttempt['source']} name
 * @param {LabAttempt | undefined} attempt
 * @param {string} unclimbed
 * @param {boolean} [isFinal] - whether a miss is the truth
 * @returns {Rung}
 */
function rungOf(name, attempt, unclimbed, isFinal = false) {
  if (attempt === undefined) return { name, says: unclimbed, answer: 'none' };
  const isTrue = isFinal && attempt.answer === 'miss';
  return {
    name,
    ...attempt,
    says: isTrue ? 'not here either: so it is true' : ANSWERS[attempt.answer],
  };
}

const ANSWERS = {
  found: 'found',
  miss: 'a miss: not here (yet)',
  failure: 'a failure: it could not answer',
  error: 'an error: it goes to the caller',
};
