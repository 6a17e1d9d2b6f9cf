import type { Random } from '../random.ts';
import type { Actor } from './actor.ts';
import type { Client } from './client.ts';
import type { Cookie, CookieJar, Floor, Note } from './cookie-jar.ts';

/** What a stray writes is this number, or a higher one: nobody else gets so far. */
export const STRAY = 1_000_000_000;

/** Reads a run's notes, and may change its own, in a session that its requests carry on. */
export class SessionUser implements Actor {
  readonly pauseMs = 800;
  readonly floors: Map<string, Floor>;
  readonly client: Client;
  readonly #own: Note;
  readonly #isWriter: boolean;
  readonly #jar: CookieJar;
  readonly #random: Random;
  #position: string | undefined;
  #written = 0;

  /**
   * @param start - where an earlier part of the session was
   * @param isWriter - one that only reads never goes back for no other reason than that it has read
   */
  constructor(
    client: Client,
    { own, position, floors }: Pick<Cookie, 'own'> & Partial<Cookie>,
    isWriter: boolean,
    jar: CookieJar,
    random: Random,
  ) {
    this.client = client;
    this.#own = own;
    this.#position = position;
    this.floors = new Map(floors);
    this.#isWriter = isWriter;
    this.#jar = jar;
    this.#random = random;
  }

  async step(): Promise<boolean> {
    if (this.#isWriter && this.#random.chance(0.5)) return this.#write();
    // As many as it takes to be led to the other standby.
    const reads = this.#isWriter ? 1 : this.#random.integer(1, 6);
    for (let read = 1; read < reads; read++) await this.read();
    return this.read();
  }

  async read(): Promise<boolean> {
    const path = `/runs/${this.#own.runId}/snapshots`;
    const start = this.#position;
    const answer = await this.client.ask('session reads', path, { position: start });
    const { status, body, position = start } = answer;
    this.#position = position;
    if (status === 408 || status === 503) return false;
    const found = status === 404 ? [] : (body as { snapshots: Listed[] }).snapshots;
    const numbers = new Map(found.map(({ id, description }) => [id, Number(description)]));
    if (found.some(({ description }) => Number(description) >= STRAY)) {
      if (start === undefined) return true; // nothing was seen before, so nothing is promised
      const expected = 'only what is, or was, on the primary';
      throw this.client.violation('a session sees nothing of a stray', expected, 'what is not');
    }
    for (const [id, floor] of this.floors) this.#check(id, floor, numbers.get(id));
    for (const [id, number] of numbers) this.floors.set(id, { number, because: 'read' });
    if (position !== undefined) {
      this.#jar.put({ own: this.#own, position, floors: new Map(this.floors) });
    }
    return status === 200;
  }

  async #write(): Promise<boolean> {
    const { runId, snapshotId } = this.#own;
    const number = ++this.#written;
    const { status, position } = await this.client.ask(
      'session writes',
      `/runs/${runId}/snapshots/${snapshotId}`,
      { method: 'PATCH', body: { description: String(number) }, position: this.#position },
    );
    this.#position = position ?? this.#position;
    if (status === 404) {
      throw this.client.violation('nothing committed is missing', `note ${snapshotId}`, '404');
    }
    // Without an acknowledgement, nobody knows whether it was committed.
    if (status === 200) this.floors.set(snapshotId, { number, because: 'wrote' });
    return status === 200;
  }

  #check(id: string, floor: Floor, number: number | undefined): void {
    if (number !== undefined && number >= floor.number) return;
    throw this.client.violation(
      floor.because === 'wrote' ? 'a session sees its own writes' : 'a session never goes back',
      `${floor.number} or more of note ${id}, which it ${floor.because} before`,
      number === undefined ? 'no such note' : String(number),
    );
  }
}

interface Listed {
  readonly id: string;
  readonly description: string;
}
