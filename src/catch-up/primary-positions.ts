import { within } from '../deadline.ts';
import { countPositionQuery } from './catch-up-telemetry.ts';
import { DoubtLog } from './doubt-log.ts';
import { InvalidOptionError, NotPrimaryError } from '../errors.ts';
import { Patience } from './patience.ts';
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
  readonly sentAt: number;
}

/** What a query has told: nothing when the primary gave no position, and a mistake of the caller, which a wait only hides. */
type Answer = PrimaryPosition | InvalidOptionError | undefined;

interface Waiter {
  readonly queriesBefore: number;
  readonly ask: () => Promise<string>;
  readonly tell: (answer: Answer) => void;
}

/** Where a primary was lately. All reads of the process ask it by one query at a time. */
export class PrimaryPositions {
  readonly #doubts = new DoubtLog();
  /** Whether it is a primary at all: worth to be told although it was silent before. */
  readonly #roleDoubts = new DoubtLog();
  readonly #patience = new Patience();
  /** Those that wait for an answer, whichever query brings it. */
  readonly #waiters = new Set<Waiter>();
  /** The query that is under way. One that was lost is not, but may come back all the same. */
  #current: PositionQuery | undefined;
  #landed: { readonly number: number; readonly answer: Answer } | undefined;
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
   * `undefined` when the primary does not give one, or not in time.
   *
   * @param ask - is called when no other read has asked in time
   * @throws InvalidOptionError as `ask` does
   * @throws what the signal was aborted with
   */
  async since(
    queriesBefore: number,
    ask: () => Promise<string>,
    {
      timeoutMs = LONGEST_WAIT_MS,
      signal,
    }: { timeoutMs?: number; signal?: AbortSignal | undefined } = {},
  ): Promise<PrimaryPosition | undefined> {
    if (this.#landed !== undefined && this.#landed.number > queriesBefore) {
      return positionIn(this.#landed.answer);
    }
    const { promise, resolve: tell } = Promise.withResolvers<Answer>();
    const waiter = { queriesBefore, ask, tell };
    this.#waiters.add(waiter);
    if (this.#current === undefined) this.#send();
    else this.#expect(this.#current);
    try {
      return positionIn(await within(timeoutMs, promise, signal));
    } finally {
      this.#waiters.delete(waiter);
      if (this.#waiters.size === 0) this.#patience.rest();
    }
  }

  /** For all who wait. */
  #send(): void {
    const [first] = this.#waiters;
    if (first === undefined) return;
    this.#expect(this.#ask(first.ask));
  }

  #ask(ask: () => Promise<string>): PositionQuery {
    const number = numberQuery();
    const query = { number, sentAt: performance.now() };
    this.#current = query;
    ask().then(
      (position) => this.#land(query, { position, takenAt: performance.now(), number }),
      (error: unknown) => this.#fail(query, error),
    );
    return query;
  }

  #expect({ sentAt }: PositionQuery): void {
    this.#patience.expect(sentAt, () => this.#send());
  }

  #fail(query: PositionQuery, error: unknown): void {
    if (query !== this.#current) return; // the one in its place tells
    if (error instanceof InvalidOptionError) return this.#land(query, error);
    this.failure = error;
    const doubts = error instanceof NotPrimaryError ? this.#roleDoubts : this.#doubts;
    doubts.tell('The primary gave no position.', error);
    this.#land(query, undefined);
  }

  #land(query: PositionQuery, answer: Answer): void {
    const { number } = query;
    if (query === this.#current) {
      this.#current = undefined;
      this.#patience.restore();
    }
    if (this.#landed !== undefined && this.#landed.number > number) return; // was lost, and is no news
    this.#landed = { number, answer };
    if (answer !== undefined && 'position' in answer) {
      this.failure = undefined;
      this.#remember(answer);
    }
    for (const waiter of this.#waiters) {
      if (waiter.queriesBefore >= number) continue;
      this.#waiters.delete(waiter);
      waiter.tell(answer);
    }
    if (this.#current === undefined) this.#send();
  }

  /**
   * Whether it has not answered for so long: then nobody else needs to wait for the same answer. A query that is lost is replaced all
   * the same, or nobody would ever hear that the primary is back, or another one.
   */
  isSilent(timeoutMs: number, ask: () => Promise<string>): boolean {
    const sentAt = this.#current?.sentAt ?? Number.POSITIVE_INFINITY;
    if (performance.now() - sentAt <= timeoutMs) return false;
    if (this.#waiters.size === 0 && this.#patience.isOver(sentAt)) {
      this.#patience.extend();
      this.#ask(ask);
    }
    return true;
  }

  /** Whether a read has got a position in time: what is told in `diag` once, until one has again. */
  note(position: PrimaryPosition | undefined): void {
    if (position !== undefined) {
      this.#doubts.clear();
      this.#roleDoubts.clear();
      this.#hasWarned = false;
    } else if (this.#current !== undefined) {
      this.#doubts.tell(SILENT);
    }
  }

  /** Whether the primary was none when it was last asked, and that is news: until it is one again, only the first caller hears it. */
  isNoPrimaryAnyMore(): boolean {
    const isNews = this.failure instanceof NotPrimaryError && !this.#hasWarned;
    this.#hasWarned ||= isNews;
    return isNews;
  }

  /** Forgets those between two that are close to each other, for their age. */
  #remember(newest: PrimaryPosition): void {
    const all = [...this.#history, newest];
    const kept: PrimaryPosition[] = [];
    for (const [index, each] of all.entries()) {
      const before = kept.at(-1)?.takenAt ?? Number.NEGATIVE_INFINITY;
      const after = all[index + 1]?.takenAt ?? Number.POSITIVE_INFINITY;
      if (after - before >= (newest.takenAt - each.takenAt) / 8) kept.push(each);
    }
    this.#history = kept.slice(-MOST_REMEMBERED);
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

function positionIn(answer: Answer): PrimaryPosition | undefined {
  if (answer instanceof InvalidOptionError) throw answer;
  return answer;
}

export const SILENT = 'The primary did not give its position in time.';

/** How long a primary is waited for when nobody says how long. In milliseconds. */
const LONGEST_WAIT_MS = 60_000;

/** As they get sparser, these last for more than half an hour when the primary is asked every 10 ms. */
const MOST_REMEMBERED = 128;

/** The positions of a primary, the same for all who ask by one source. */
export const positionsOf = perSource('positions', () => new PrimaryPositions());
