import { checkPage, type Page } from '../checks/check-page.ts';
import type { Random } from '../random.ts';
import type { Actor } from './actor.ts';
import type { Client } from './client.ts';
import type { Run } from './run.ts';

/** Follows a run: each poll goes on from the last snapshot that it got. */
export class Runner implements Actor {
  readonly pauseMs = 800;
  readonly client: Client;
  readonly run: Run;
  /** All that it got, after the snapshot that it began with. */
  readonly got: string[];
  readonly #random: Random;

  constructor(client: Client, run: Run, random: Random) {
    this.client = client;
    this.run = run;
    this.got = [run.newest];
    this.#random = random;
  }

  async step(): Promise<boolean> {
    const anchor = this.got.at(-1)!; // there is always the one that it began with
    const limit = this.#random.pick([undefined, undefined, 1, 2, 50]);
    const path = `/runs/${this.run.id}/snapshots/since/${anchor}`;
    const answer = await this.client.ask(
      'runner',
      limit === undefined ? path : `${path}?limit=${limit}`,
    );
    checkPage({ client: this.client, run: this.run, anchor, answer });
    const { status, body } = answer;
    if (status === 200) this.got.push(...(body as Page).snapshots.map(({ id }) => id));
    return status === 200;
  }

  /** Asks until it has got a snapshot. */
  async hasGot(snapshotId: string): Promise<boolean> {
    await this.step();
    return this.got.at(-1)! >= snapshotId;
  }
}
