import { countPositionQuery } from './catch-up-telemetry.ts';
import { DoubtLog } from './doubt-log.ts';
import { InvalidOptionError, NotPrimaryError } from '../errors.ts';
import { perSource } from './per-source.ts';
import { numberQuery } from '../shared-queries.ts';
import type { PositionSource } from './position-source.ts';

/** A position that the primary had reached by `takenAt`, on the clock of `performance.now()`. */
export interface PrimaryPosition {
  readonly position: string;
  readonly takenAt: number;
  /** That of the query which told. */
  readonly number: number;
}

interface PositionQuery {
  readonly number: number;
  readonly startedAt: number;
  /** `undefined` when the primary gave no position. Rejects only for a client that cannot be asked at all. */
  readonly landing: Promise<PrimaryPosition | undefined>;
}

/** Where a primary was lately. All reads of the process ask it by one query at a time. */
export class PrimaryPositions {
  readonly #doubts = new DoubtLog();
  /** Whether it is a primary at all: worth to be told although it was silent before. */
  readonly #roleDoubts = new DoubtLog();
  #latest: PositionQuery | undefined;
  #isAsking = false;
  #hasWarned = false;
  /** Why the primary gave none, when it was last asked. */
  failure: unknown;
  /** Oldest first, and the sparser the older they are. */
  #history: PrimaryPosition[] = [];

  /** The newest one that is known without asking. */
  get newest(): PrimaryPosition | undefined {
    return this.#history.at(-1);
  }

  /**
   * A position that was asked for after a read began, which had counted `queriesBefore` shared queries by then. Reads share it.
   * `undefined` when the primary does not give one.
   *
   * @param ask - is called when no other read has asked in time
   * @throws InvalidOptionError as `ask` does
   */
  async since(
    queriesBefore: number,
    ask: () => Promise<string>,
  ): Promise<PrimaryPosition | undefined> {
    for (;;) {
      const latest = this.#latest;
      if (latest !== undefined && latest.number > queriesBefore) return latest.landing;
      const isLost = latest !== undefined && performance.now() - latest.startedAt > LOST_MS;
      if (latest !== undefined && this.#isAsking && !isLost) await latest.landing;
      else this.#latest = this.#start(ask);
    }
  }

  #start(ask: () => Promise<string>): PositionQuery {
    const number = numberQuery();
    const land = async (): Promise<PrimaryPosition | undefined> => {
      try {
        const position = await ask();
        this.failure = undefined;
        return this.#remember({ position, takenAt: performance.now(), number });
      } catch (error) {
        if (error instanceof InvalidOptionError) throw error; // the caller's mistake, which a wait only hides
        this.failure = error;
        const doubts = error instanceof NotPrimaryError ? this.#roleDoubts : this.#doubts;
        doubts.tell('The primary gave no position.', error);
        return undefined;
      } finally {
        if (this.#latest?.number === number) this.#isAsking = false;
      }
    };
    this.#isAsking = true;
    return { number, startedAt: performance.now(), landing: land() };
  }

  /** Whether it has not answered for so long: then nobody else needs to wait for the same answer. */
  isSilent(timeoutMs: number): boolean {
    return (
      this.#isAsking &&
      this.#latest !== undefined &&
      performance.now() - this.#latest.startedAt > timeoutMs
    );
  }

  /** Whether a read has got a position in time: what is told in `diag` once, until one has again. */
  note(position: PrimaryPosition | undefined): void {
    if (position !== undefined) {
      this.#doubts.clear();
      this.#roleDoubts.clear();
      this.#hasWarned = false;
    } else if (this.#isAsking) {
      this.#doubts.tell('The primary did not give its position in time.');
    }
  }

  /** Whether the primary was none when it was last asked, and that is news: until it is one again, only the first caller hears it. */
  isNoPrimaryAnyMore(): boolean {
    const isNews = this.failure instanceof NotPrimaryError && !this.#hasWarned;
    this.#hasWarned ||= isNews;
    return isNews;
  }

  /** Forgets those between two that are close to each other, for their age. */
  #remember(newest: PrimaryPosition): PrimaryPosition {
    const all = [...this.#history, newest];
    const kept: PrimaryPosition[] = [];
    for (const [index, each] of all.entries()) {
      const before = kept.at(-1)?.takenAt ?? Number.NEGATIVE_INFINITY;
      const after = all[index + 1]?.takenAt ?? Number.POSITIVE_INFINITY;
      if (after - before >= (newest.takenAt - each.takenAt) / 8) kept.push(each);
    }
    this.#history = kept.slice(-MOST_REMEMBERED);
    return newest;
  }

  /**
   * Whether a replica is behind what the primary had reached by a moment, and what is waited for comes after that.
   *
   * @param moment - on the clock of `performance.now()`
   */
  isBehind(
    moment: number,
    replayed: string,
    target: string,
    source: Pick<PositionSource<never>, 'compare'>,
  ): boolean {
    const past = this.#history.findLast(({ takenAt }) => takenAt < moment);
    if (past === undefined) return false;
    return (
      source.compare(replayed, past.position) === 'behind' &&
      source.compare(target, past.position) === 'reached'
    );
  }
}

/** Asks a primary for its position, for the read or the session that needs it first. */
export async function askPosition<Client>(
  source: PositionSource<Client>,
  options: { readonly primary: Client } & Parameters<typeof countPositionQuery>[0],
): Promise<string> {
  countPositionQuery(options);
  const position = await source.position(options.primary);
  source.compare(position, position); // throws for what is none
  return position;
}

/** A query that has not come back by then is given up, and may be replaced. In milliseconds. */
const LOST_MS = 60_000;

/** As they get sparser, these last for more than half an hour when the primary is asked every 10 ms. */
const MOST_REMEMBERED = 128;

/** The positions of a primary, the same for all who ask by one source. */
export const positionsOf = perSource('positions', () => new PrimaryPositions());
