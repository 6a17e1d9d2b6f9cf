import type { PositionSource, Reach } from './position-source.ts';
import { DoubtLog } from './doubt-log.ts';
import { Patience } from './patience.ts';
import { perSource } from './per-source.ts';

/** How a wait for one replica ended: it is there, it is too far behind, or its position is not known. */
export type WatchEnd = 'caught_up' | 'hopeless' | 'unknown';

/** A read that waits for a replica. */
interface Waiter {
  /** On the clock of `performance.now()`. */
  readonly since: number;
  /** How long it waits at most, in milliseconds. */
  readonly windowMs: number;
  /** The position that it waits for. */
  readonly target: string;
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

/**
 * Watches a replica for all reads of the process that wait for it, by one query at a time: soon at first, then at most
 * every tenth of the time that the latest of them has waited, or by a query that ends when the replica is there, where the
 * server has one. Nothing runs when nobody waits.
 */
class ReplicaWatch {
  readonly #doubts = new DoubtLog();
  readonly #patience = new Patience();
  /** In the order in which they came. */
  readonly #waiters = new Set<Waiter>();
  #latestSince = 0;
  #newest: string | undefined;
  #query: { readonly startedAt: number } | undefined;
  #timer: NodeJS.Timeout | undefined;

  /**
   * The newest position that was seen of a replica that was behind. Several servers may answer at one address, and one that
   * stands still says nothing of the others.
   */
  newestOf(replayed: string, source: Pick<PositionSource<never>, 'compare'>): string {
    if (this.#newest === undefined || source.compare(this.#newest, replayed) !== 'reached') {
      this.#newest = replayed;
    }
    return this.#newest;
  }

  /** Waits until `end` is called, or until the returned function is. */
  join(waiter: Waiter): () => void {
    const sentAt = this.#query?.startedAt ?? Number.POSITIVE_INFINITY;
    const isSilent = performance.now() - sentAt > waiter.windowMs + STAY_MS;
    if (isSilent && !this.#patience.isOver(sentAt)) {
      waiter.end('unknown');
      return () => {};
    }
    this.#waiters.add(waiter);
    this.#latestSince = waiter.since;
    if (this.#query === undefined) this.#look();
    else this.#expect(sentAt);
    return () => this.#leave(waiter);
  }

  #leave(waiter: Waiter): void {
    this.#waiters.delete(waiter);
    if (this.#waiters.size > 0) return;
    clearTimeout(this.#timer);
    this.#patience.rest();
  }

  #look(): void {
    clearTimeout(this.#timer);
    const [first] = this.#waiters;
    if (first === undefined) return;
    this.#ask(first.look(), (replayed, askedAt) => {
      this.#tellAll(replayed === undefined ? () => 'unknown' : judgeOnce(replayed, askedAt));
      this.#stay();
    });
  }

  /** Waits on the server for the first of the waiters. Its target is as a rule the lowest one; the others look soon. */
  #stay(): void {
    const [first] = this.#waiters;
    if (first === undefined) return;
    const arrival = first.stay(STAY_MS);
    if (arrival === undefined) return this.#lookLater();
    this.#ask(arrival, (reach, askedAt) => {
      this.#tellAll(reach === 'reached' ? judgeOnce(first.target, askedAt) : () => reach);
      this.#look();
    });
  }

  #lookLater(): void {
    if (this.#waiters.size === 0) return;
    const waitedMs = performance.now() - this.#latestSince;
    this.#timer = setTimeout(() => this.#look(), Math.max(SOONEST_MS, waitedMs / 10));
  }

  /** One query at a time. */
  #ask<T>(query: Promise<T>, answer: (value: T, askedAt: number) => void): void {
    const current = { startedAt: performance.now() };
    this.#query = current;
    this.#expect(current.startedAt);
    const land = (tell: () => void): void => {
      if (this.#query !== current) return; // lost, and replaced
      this.#query = undefined;
      this.#patience.restore();
      tell();
    };
    query.then(
      (value) => land(() => answer(value, current.startedAt)),
      (error: unknown) =>
        land(() => {
          this.#doubts.tell('A replica gave no position.', error);
          this.#tellAll(() => 'unknown');
        }),
    );
  }

  #expect(sentAt: number): void {
    this.#patience.expect(sentAt, () => this.#look());
  }

  #tellAll(judge: (waiter: Waiter) => Reach | 'hopeless'): void {
    for (const waiter of this.#waiters) {
      const reach = this.#judge(waiter, judge);
      if (reach === 'unknown') this.#doubts.tell(NO_COMPARISON);
      else this.#doubts.clear();
      if (reach === 'behind') continue;
      this.#waiters.delete(waiter);
      waiter.end(reach === 'reached' ? 'caught_up' : reach);
    }
  }

  /** What is no position does not compare either. */
  #judge(waiter: Waiter, judge: (waiter: Waiter) => Reach | 'hopeless'): Reach | 'hopeless' {
    try {
      return judge(waiter);
    } catch (error) {
      this.#doubts.tell(NO_COMPARISON, error);
      return 'unknown';
    }
  }
}

const NO_COMPARISON = 'The position of a replica does not compare.';

/** The shortest time between two looks, in milliseconds. */
const SOONEST_MS = 1;

/** How long a server is asked to wait at a time: as long as it does, nobody else is looked for. In milliseconds. */
const STAY_MS = 50;

/** Thousands may wait, nearly all of them for the same few targets. */
function judgeOnce(replayed: string, askedAt: number): (waiter: Waiter) => Reach | 'hopeless' {
  const judged = new Map<string, Reach | 'hopeless'>();
  return ({ target, windowMs, judge }) => {
    const key = `${windowMs} ${target}`;
    const reach = judged.get(key) ?? judge(replayed, askedAt);
    judged.set(key, reach);
    return reach;
  };
}

/** The watch over a replica, the same for all who wait for it by one source. */
export const watchOver = perSource('watches', () => new ReplicaWatch());
