/** @import { LabPoll, LaneName } from '../lab-poll.ts' */
/** @import { Recent } from './recent.js' */
import { byId } from './dom.js';

/** How long a poll stays, while the latest is followed: long enough to read it. */
const HOLD_MS = 2_000;

/**
 * Which poll's story is told: one that was chosen or, every two seconds, the latest of a lane, if there is one then the
 * latest that has climbed the ladder.
 *
 * @param {Recent} recent
 * @param {(poll: LabPoll | undefined) => void} onChange - hears that somebody chose another one
 */
export function createSelection(recent, onChange) {
  const previous = byId('previous', HTMLButtonElement);
  const latest = byId('latest', HTMLButtonElement);
  const skipHits = byId('skip-hits', HTMLInputElement);
  /** @type {LaneName} */
  let lane = 'catch-up';
  /** @type {LabPoll | undefined} */
  let poll;
  let isFollowing = true;
  let followedAt = -Infinity;

  /** The polls that may be told of, in the order of their questions. */
  const candidates = () =>
    recent
      .lane(lane)
      .polls.filter(({ outcome }) => !skipHits.checked || outcome !== 'replica')
      .toSorted((one, other) => one.id - other.id);
  /** @param {boolean} on */
  const setFollowing = (on) => {
    isFollowing = on;
    followedAt = -Infinity;
    latest.ariaPressed = String(on);
  };
  /** @param {LabPoll | undefined} chosen */
  const select = (chosen) => {
    poll = chosen;
    if (chosen !== undefined) ({ lane } = chosen);
    setFollowing(false);
    onChange(poll);
  };
  const earlier = () => candidates().findLast(({ id }) => id < (poll?.id ?? Infinity));
  const later = () => candidates().find(({ id }) => id > (poll?.id ?? 0));
  /** @param {() => LabPoll | undefined} find */
  const go = (find) => {
    select(find() ?? poll);
    previous.ariaDisabled = String(earlier() === undefined);
  };
  const follow = () => {
    setFollowing(true);
    previous.ariaDisabled = 'false';
    onChange(undefined);
  };

  previous.addEventListener('click', () => go(earlier));
  byId('next', HTMLButtonElement).addEventListener('click', () => go(later));
  latest.addEventListener('click', follow);
  skipHits.addEventListener('change', () => {
    followedAt = -Infinity;
    onChange(undefined);
  });
  byId('timeline', HTMLElement).addEventListener('keydown', (event) => {
    const actions = {
      ArrowLeft: () => go(earlier),
      ArrowRight: () => go(later),
      Escape: follow,
      End: follow,
    };
    const action = Reflect.get(actions, event.key);
    // With another key, as in Alt and ←, it is the browser's.
    if (action === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    action();
  });

  return {
    select,
    get lane() {
      return lane;
    },
    /**
     * Goes to another lane: to the same question there, if one was chosen.
     *
     * @param {LaneName} chosen
     */
    setLane(chosen) {
      lane = chosen;
      const same = recent.lane(chosen).polls.find(({ id, at }) => isSame(poll, id, at));
      if (!isFollowing && same !== undefined) return select(same);
      poll = undefined;
      follow();
    },
    /** The poll whose story is told now. */
    current() {
      if (!isFollowing || performance.now() - followedAt <= HOLD_MS) return poll;
      const told = poll?.id ?? 0;
      const all = candidates();
      const newest =
        all.findLast(({ id, outcome }) => id > told && outcome !== 'replica') ?? all.at(-1);
      if (newest !== undefined) {
        poll = newest;
        followedAt = performance.now();
      }
      return poll;
    },
    /** Forgets the poll, unless the server still tells of it: another server numbers others. */
    checkAgain() {
      const found = recent.lane(lane).polls.find(({ id, at }) => isSame(poll, id, at));
      if (found !== undefined) return;
      poll = undefined;
      setFollowing(true);
    },
  };
}

/**
 * Whether a poll asks the same question, in whichever lane: the lanes begin within milliseconds, and servers do not.
 *
 * @param {LabPoll | undefined} poll
 * @param {number} id
 * @param {number} at
 */
function isSame(poll, id, at) {
  return poll?.id === id && Math.abs(poll.at - at) < 1_000;
}
