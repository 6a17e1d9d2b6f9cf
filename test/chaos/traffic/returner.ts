import type { Random } from '../random.ts';
import type { Actor } from './actor.ts';
import type { Client } from './client.ts';
import type { CookieJar } from './cookie-jar.ts';
import { SessionUser } from './session-user.ts';

/** Comes back with a cookie from some time ago. */
export class Returner implements Actor {
  readonly pauseMs = 400;
  readonly #client: Client;
  readonly #jar: CookieJar;
  readonly #random: Random;

  constructor(client: Client, jar: CookieJar, random: Random) {
    this.#client = client;
    this.#jar = jar;
    this.#random = random;
  }

  async step(): Promise<boolean> {
    const cookie = this.#jar.take();
    if (cookie === undefined) return true;
    return new SessionUser(this.#client, cookie, false, this.#jar, this.#random).read();
  }
}
