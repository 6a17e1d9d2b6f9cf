import type { PositionSource, Reach } from './position-source.ts';
import { DoubtLog } from './doubt-log.ts';
import { Patience } from './patience.ts';
import { perSource } from './per-source.ts';
import { judgeOnce, survey, type Waiter } from './waiter.ts';

/**
 * Watches a replica for all reads of the process that wait for it, by one query at a time: soon at first, then at most
 * every tenth of the time that the youngest of them has waited, or by a query that ends when the replica is there, where the
 * server has one. Nothing runs when nobody waits.
 */
class ReplicaWatch {
  readonly #doubts = new DoubtLog();
  readonly #patience = new Patience();
  /** In the order in which they came. */
  readonly #waiters = new Set<Waiter>();
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

  /** Waits on the server, where it can, for the lowest target. A read that joins meanwhile is looked at after that. */
  #stay(): void {
    const waiting = survey(this.#waiters);
    if (waiting === undefined) return;
    const { latestSince, lowest } = waiting;
    const arrival = lowest.stay(stayOf(waiting));
    if (arrival === undefined) {
      const pauseMs = Math.max(SOONEST_MS, (performance.now() - latestSince) / 10);
      this.#timer = setTimeout(() => this.#look(), pauseMs);
      return;
    }
    this.#ask(arrival, (reach, askedAt) => {
      this.#tellAll(reach === 'reached' ? judgeOnce(lowest.target, askedAt) : () => reach);
      this.#look();
    });
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

/** How long a server is asked to wait at a time, at most: meanwhile, nobody else is looked for. In milliseconds. */
const STAY_MS = 50;

/**
 * How long a server is asked to wait now: no longer than the read with the shortest window can spare, nor than a read can that may
 * join ones with long windows. It is as short as looks are where it says nothing of other targets.
 */
function stayOf({ shortestMs, isBelowAll }: NonNullable<ReturnType<typeof survey>>): number {
  if (!isBelowAll) return STAY_MS / 5;
  if (shortestMs > 1_000) return STAY_MS / 2;
  return Math.min(Math.max(shortestMs / 4, STAY_MS / 5), STAY_MS);
}

/** The watch over a replica, the same for all who wait for it by one source. */
export const watchOver = perSource('watches', () => new ReplicaWatch());
