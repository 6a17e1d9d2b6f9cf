import type { PositionSource, Reach } from './position-source.ts';

/** How a wait for one replica ended: it is there, it is too far behind, or its position is not known. */
export type WatchEnd = 'caught_up' | 'hopeless' | 'unknown';

/** A read that waits for a replica. */
export interface Waiter {
  /** On the clock of `performance.now()`. */
  readonly since: number;
  /** How long it waits at most, in milliseconds. */
  readonly windowMs: number;
  /** The position that it waits for. */
  readonly target: string;
  readonly source: Pick<PositionSource<never>, 'compare'>;
  /** Asks the replica what it has replayed. `undefined` when it does not say. */
  readonly look: () => Promise<string | undefined>;
  /** Asks the replica to wait for the target by itself. `undefined` when it cannot. */
  readonly stay: (timeoutMs: number) => Promise<Reach> | undefined;
  /**
   * Judges what a look has shown that was begun at a moment: a pause of this process is no lag. The same for all who wait for
   * one target within one window.
   */
  readonly judge: (replayed: string, askedAt: number) => Reach | 'hopeless';
  readonly end: (how: WatchEnd) => void;
}

/** Thousands may wait, nearly all of them for the same few targets. */
export function judgeOnce(
  replayed: string,
  askedAt: number,
): (waiter: Waiter) => Reach | 'hopeless' {
  const judged = new Map<string, Reach | 'hopeless'>();
  return ({ target, windowMs, judge }) => {
    const key = `${windowMs} ${target}`;
    const reach = judged.get(key) ?? judge(replayed, askedAt);
    judged.set(key, reach);
    return reach;
  };
}

/** Whom the next look, or the next wait of the server, has to serve. `undefined` when nobody waits. */
export function survey(waiters: Iterable<Waiter>) {
  let latestSince = Number.NEGATIVE_INFINITY;
  let shortestMs = Number.POSITIVE_INFINITY;
  const byTarget = new Map<string, Waiter>();
  for (const waiter of waiters) {
    latestSince = Math.max(latestSince, waiter.since);
    shortestMs = Math.min(shortestMs, waiter.windowMs);
    byTarget.set(waiter.target, waiter);
  }
  const all = [...byTarget.values()];
  let [first] = all;
  if (first === undefined) return undefined;
  for (const waiter of all) if (includes(first, waiter)) first = waiter;
  const lowest = first;
  /** Whether the replica has no other target before this one: not all of them compare. */
  const isBelowAll = all.every((waiter) => includes(waiter, lowest));
  return { latestSince, shortestMs, lowest, isBelowAll };
}

/** Whether a replica that has the target of one has that of the other. */
function includes({ source, target }: Waiter, other: Waiter): boolean {
  try {
    return source.compare(target, other.target) === 'reached';
  } catch {
    return false; // as is told when the replica has answered
  }
}
