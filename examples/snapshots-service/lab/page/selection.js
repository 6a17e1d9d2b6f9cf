/** @import { LabPoll } from '../lab-poll.ts' */
/** @import { Recent } from './recent.js' */
import { byId } from './dom.js';

/** How long a poll stays, while the latest is followed: long enough to read it. */
const HOLD_MS = 2_000;

/**
 * Which poll's story is told: one that was chosen or, every two seconds, the latest, if there is one then the latest
 * that has climbed the ladder.
 *
 * @param {Recent} recent
 * @param {() => void} onChange - hears that somebody chose another one
 */
export function createSelection(recent, onChange) {
  const timeline = byId('timeline', HTMLElement);
  const latest = byId('latest', HTMLButtonElement);
  const skipHits = byId('skip-hits', HTMLInputElement);
  /** @type {LabPoll | undefined} */
  let poll;
  let isFollowing = true;
  let followedAt = -Infinity;

  const candidates = () =>
    skipHits.checked ? recent.polls.filter(({ outcome }) => outcome !== 'replica') : recent.polls;
  /** @param {boolean} on */
  const setFollowing = (on) => {
    isFollowing = on;
    followedAt = -Infinity;
    latest.ariaPressed = String(on);
  };
  /** @param {LabPoll | undefined} chosen */
  const select = (chosen) => {
    poll = chosen;
    setFollowing(false);
    onChange();
  };
  const previous = () => {
    const id = poll?.id ?? Infinity;
    select(candidates().findLast((each) => each.id < id) ?? poll);
  };
  const next = () => {
    const id = poll?.id ?? 0;
    select(candidates().find((each) => each.id > id) ?? poll);
  };
  const follow = () => {
    setFollowing(true);
    onChange();
  };

  byId('previous', HTMLButtonElement).addEventListener('click', previous);
  byId('next', HTMLButtonElement).addEventListener('click', next);
  latest.addEventListener('click', follow);
  skipHits.addEventListener('change', () => {
    followedAt = -Infinity;
    onChange();
  });
  timeline.addEventListener('keydown', (event) => {
    const action = { ArrowLeft: previous, ArrowRight: next, Escape: follow, End: follow }[
      event.key
    ];
    // With another key, as in Alt and ←, it is the browser's.
    if (action === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    action();
  });

  return {
    select,
    /** The poll whose story is told now. */
    current() {
      if (!isFollowing || performance.now() - followedAt <= HOLD_MS) return poll;
      const told = poll?.id ?? 0;
      const newest =
        candidates().findLast(({ id, outcome }) => id > told && outcome !== 'replica') ??
        candidates().at(-1);
      if (newest !== undefined) {
        poll = newest;
        followedAt = performance.now();
      }
      return poll;
    },
    /** Forgets the poll, unless the server still tells of it: another server numbers others. */
    checkAgain() {
      const found = recent.polls.find(({ id, at }) => id === poll?.id && at === poll.at);
      if (found !== undefined) return;
      poll = undefined;
      setFollowing(true);
    },
  };
}
