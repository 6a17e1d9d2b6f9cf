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
      return attempts.some(({ source }) => source === 'primary')
        ? 'The id is bogus, and only the primary could say so.'
        : 'The id is bogus: the replica had all that the primary had, and could say so.';
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
  if (retryMaxMs === 0) {
    return 'The replica did not have the row yet, and without a wait the primary answered.';
  }
  return catchUpEnd === 'hopeless'
    ? 'The replica was too far behind to wait for, so the primary answered at once.'
    : 'The lag outlasted the wait, so the primary answered.';
}
