import { checkPage } from '../checks/check-page.ts';
import type { Random } from '../random.ts';
import type { Actor } from './actor.ts';
import type { Answer, Client } from './client.ts';
import type { Run } from './run.ts';

const CROWD = 300;
const LULL_MS = 5_000;

/** When everybody asks again at once, as people do whose page is slow. */
export class Storms {
  #nextAt = 0;

  /** Whether one breaks out now: at most one every five seconds. */
  breaksOut(): boolean {
    if (performance.now() < this.#nextAt) return false;
    this.#nextAt = performance.now() + LULL_MS;
    return true;
  }
}

/** Asks what came after the newest snapshot of a run, as soon as that is committed. */
export class Newcomer implements Actor {
  readonly pauseMs = 600;
  readonly #client: Client;
  readonly #runs: readonly Run[];
  readonly #storms: Storms;
  readonly #random: Random;

  constructor(client: Client, runs: readonly Run[], storms: Storms, random: Random) {
    this.#client = client;
    this.#runs = runs;
    this.#storms = storms;
    this.#random = random;
  }

  async step(): Promise<boolean> {
    const run = this.#random.pick(this.#runs);
    if (this.#random.chance(0.1)) return this.#askAnother(run);
    const { status, outcome } = await this.#ask('newcomer', run);
    const isInTrouble = status === 503 || outcome === 'primary';
    if (isInTrouble && this.#storms.breaksOut()) {
      await Promise.all(Array.from({ length: CROWD }, () => this.#ask('in a storm', run)));
    }
    return status === 200;
  }

  async #ask(kind: string, run: Run): Promise<Answer> {
    const anchor = run.newest;
    const path = `/runs/${run.id}/snapshots/since/${anchor}`;
    const answer = await this.#client.ask(kind, path);
    checkPage({ client: this.#client, run, anchor, answer });
    return answer;
  }

  /** Asks a run about a snapshot of another one, which it must not know. */
  async #askAnother(run: Run): Promise<boolean> {
    const other = this.#random.pick(this.#runs.filter((each) => each !== run));
    const path = `/runs/${run.id}/snapshots/since/${other.newest}`;
    const { status } = await this.#client.ask('of another run', path);
    if (status !== 200) return status === 404;
    const expected = `404, because ${other.name} has the snapshot, and not ${run.name}`;
    throw this.#client.violation('nothing of another run', expected, 'a page');
  }
}
