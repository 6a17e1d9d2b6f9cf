import { countQueries } from '../shared-queries.ts';
import type { PositionSource } from './position-source.ts';
import type { PrimaryPosition } from './primary-positions.ts';

/** What a session has seen and written: one position, or all that the primary has by now. */
export class SessionFloor {
  readonly #source: Pick<PositionSource<never>, 'compare'>;
  #position: string | undefined;
  /** How many shared queries had started when it was last raised: where the primary is after a later one, it has all that. */
  #raisedSince = 0;
  /** The same for what was seen or written at a position that is not known yet. */
  #unknownSince: number | undefined;
  /** The same for a position that came from outside, maybe from before a failover. */
  #doubtedSince = 0;

  constructor(source: Pick<PositionSource<never>, 'compare'>) {
    this.#source = source;
  }

  /** As far as it is known. */
  get position(): string | undefined {
    return this.#position;
  }

  get isKnown(): boolean {
    return this.#unknownSince === undefined;
  }

  /** What a read has to see that asks for a position itself. `undefined` is anything. */
  with(given: string | undefined): string | undefined {
    if (this.#unknownSince !== undefined || given === 'now') return 'now';
    if (this.#position === undefined || given === undefined) return this.#position ?? given;
    return this.#later(this.#position, given) ?? 'now';
  }

  /** To all that the primary has by now. */
  raiseToNow(): void {
    this.#unknownSince = countQueries();
  }

  /** @throws InvalidPositionError for what is no position */
  raise(position: string): void {
    const known = this.#position ?? position;
    // One that tells of more than it counts does not have itself.
    const later = this.#later(known, position) ?? (known === position ? position : undefined);
    this.#position = later ?? position;
    this.#raisedSince = countQueries();
    if (later === undefined) this.raiseToNow();
  }

  /** Its position came from outside: the primary has to be asked before it counts. */
  doubt(): void {
    this.#doubtedSince = countQueries();
  }

  /** Whether a read of the session may rely on where the primary was then. */
  mayTrust({ number, takenAt }: PrimaryPosition): boolean {
    return number > this.#doubtedSince && performance.now() - takenAt <= TRUST_MS;
  }

  /** Takes in where the primary was, if that was asked after what is not known yet. */
  learn({ position, number }: PrimaryPosition): void {
    if (this.#unknownSince === undefined || number <= this.#unknownSince) return;
    this.#unknownSince = undefined;
    if (number > this.#raisedSince) this.#position = position;
    else this.raise(position);
  }

  /**
   * The one of two positions that has all of the other. `undefined` when neither has: they are of two timelines, or of two
   * servers that may each have shown more than the other. The primary has it all.
   */
  #later(one: string, other: string): string | undefined {
    if (this.#source.compare(one, other) === 'reached') return one;
    return this.#source.compare(other, one) === 'reached' ? other : undefined;
  }
}

/**
 * How long a session relies on what the primary said of where it is: so much later it notices a failover, and so often at most
 * its reads ask the primary. In milliseconds.
 */
const TRUST_MS = 100;
