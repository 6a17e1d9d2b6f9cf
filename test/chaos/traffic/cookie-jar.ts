import type { Random } from '../random.ts';

/** A snapshot whose description its owner changes: the number in it only grows. */
export interface Note {
  readonly runId: string;
  readonly snapshotId: string;
}

/** What a session has to see of a note from now on. */
export interface Floor {
  readonly number: number;
  readonly because: 'read' | 'wrote';
}

/** Where a session was, and what it had seen and written by then. */
export interface Cookie {
  readonly own: Note;
  readonly position: string;
  readonly floors: ReadonlyMap<string, Floor>;
}

const MOST_KEPT = 1_000;

/** Cookies of sessions, old ones among them: from before failovers that have happened since. */
export class CookieJar {
  readonly #cookies: Cookie[] = [];
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  put(cookie: Cookie): void {
    const isFull = this.#cookies.length === MOST_KEPT;
    this.#cookies[isFull ? this.#random.integer(0, MOST_KEPT - 1) : this.#cookies.length] = cookie;
  }

  take(): Cookie | undefined {
    return this.#cookies.length === 0 ? undefined : this.#random.pick(this.#cookies);
  }
}
