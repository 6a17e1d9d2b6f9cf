import type { Reach } from './catch-up.ts';
import { DoubtLog } from './doubt-log.ts';

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
  /** Asks the replica what it has replayed. `undefined` when it does not say. */
  readonly look: () => Promise<string | undefined>;
  /** Judges what a look has shown: the same for all who wait for one target within one window. */
  readonly judge: (replayed: string) => Reach | 'hopeless';
  readonly end: (how: WatchEnd) => void;
}

/**
 * Watches a replica for all reads of the process that wait for it, by one query at a time: soon at first, then at most
 * every tenth of the time that the latest of them has waited. Nothing runs when nobody waits.
 */
export class ReplicaWatch {
  readonly #doubts = new DoubtLog();
  readonly #waiters = new Set<Waiter>();
  #lookStartedAt: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** Waits until `end` is called, or until the returned function is. */
  join(waiter: Waiter): () => void {
    const lookingFor = this.#lookStartedAt === undefined ? 0 : waiter.since - this.#lookStartedAt;
    if (lookingFor > LOST_MS) this.#lookStartedAt = undefined;
    else if (lookingFor > waiter.windowMs) {
      waiter.end('unknown');
      return () => {};
    }
    this.#waiters.add(waiter);
    if (this.#lookStartedAt === undefined) this.#look();
    return () => this.#leave(waiter);
  }

  #leave(waiter: Waiter): void {
    this.#waiters.delete(waiter);
    if (this.#waiters.size === 0) clearTimeout(this.#timer);
  }

  #look(): void {
    clearTimeout(this.#timer);
    const latest = [...this.#waiters].at(-1);
    if (latest === undefined) return;
    const startedAt = performance.now();
    this.#lookStartedAt = startedAt;
    const see = (judge: (waiter: Waiter) => Reach | 'hopeless'): void => {
      if (this.#lookStartedAt !== startedAt) return; // given up
      this.#lookStartedAt = undefined;
      for (const waiter of this.#waiters) this.#tell(waiter, judge(waiter));
      this.#lookAgain();
    };
    latest.look().then(
      (replayed) => see(replayed === undefined ? () => 'unknown' : judgeOnce(replayed)),
      (error: unknown) => {
        this.#doubts.tell('A replica gave no position.', error);
        see(() => 'unknown');
      },
    );
  }

  #tell(waiter: Waiter, reach: Reach | 'hopeless'): void {
    if (reach === 'unknown') this.#doubts.tell("A replica's position is not one of the primary's.");
    else this.#doubts.clear();
    if (reach === 'behind') return;
    this.#waiters.delete(waiter);
    waiter.end(reach === 'reached' ? 'caught_up' : reach);
  }

  #lookAgain(): void {
    const latest = [...this.#waiters].at(-1);
    if (latest === undefined) return;
    const waitedMs = performance.now() - latest.since;
    this.#timer = setTimeout(() => this.#look(), Math.max(SOONEST_MS, waitedMs / 10));
  }
}

/** The shortest time between two looks, in milliseconds. */
const SOONEST_MS = 1;

/** A look that has not come back by then is given up, and may be replaced. In milliseconds. */
const LOST_MS = 60_000;

/** Thousands may wait, nearly all of them for the same few targets. */
function judgeOnce(replayed: string): (waiter: Waiter) => Reach | 'hopeless' {
  const judged = new Map<string, Reach | 'hopeless'>();
  return ({ target, windowMs, judge }) => {
    const key = `${windowMs} ${target}`;
    const reach = judged.get(key) ?? judge(replayed);
    judged.set(key, reach);
    return reach;
  };
}

const watchByReplica = new WeakMap<WeakKey, ReplicaWatch>();

/** The watch over a replica, the same for all who wait for it. */
export function watchOver(replica: unknown): ReplicaWatch {
  const client: WeakKey = Object(replica); // itself: every client is an object, or a function
  let watch = watchByReplica.get(client);
  if (watch === undefined) {
    watch = new ReplicaWatch();
    watchByReplica.set(client, watch);
  }
  return watch;
}
