/** @import { LabPoll } from '../lab-poll.ts' */
import { kindOf } from './kinds.js';

/**
 * What the story of a poll comes to, in a sentence.
 *
 * @param {LabPoll} poll
 */
export function moralOf(poll) {
  const { attempts, catchUpEnd } = poll;
  const kind = kindOf(poll);
  const isOnPrimary = attempts.some(({ source }) => source === 'primary');
  switch (kind) {
    case 'replica':
      return 'The replica had the row, and the primary was spared.';
    case 'replica_retry':
      return catchUpEnd === 'caught_up'
        ? 'The replica caught up and had the row, and the primary was spared.'
        : 'The replica had the row after a wait, and the primary was spared.';
    case 'primary':
      return whySpilled(poll);
    case 'not_found':
      if (isOnPrimary) return 'The id is bogus, and the primary said so.';
      return catchUpEnd === 'caught_up'
        ? 'The id is bogus: the replica had all that the primary had, and could say so.'
        : 'The id is bogus: the replica was right this time, but could not know.';
    case 'lie':
      return 'The row is on the primary. The replica said “not found”, and nobody asked further.';
    case 'error':
      return 'The caller got an error.';
    default:
      return kind;
  }
}

/** @param {LabPoll} poll */
function whySpilled({ attempts, catchUpEnd, retryMaxMs }) {
  if (attempts.some(({ answer }) => answer === 'failure')) {
    return 'The replica could not answer, so the primary did.';
  }
  if (attempts.length === 1) return 'The primary was asked at once.';
  if (retryMaxMs === 0) {
    return 'The replica did not have the row yet, and without a wait the primary answered.';
  }
  return catchUpEnd === 'hopeless'
    ? 'The replica was too far behind to wait for, so the primary answered at once.'
    : 'The lag outlasted the wait, so the primary answered.';
}
