import type { Random } from '../random.ts';
import type { Actor } from './actor.ts';
import type { Client } from './client.ts';
import type { Run } from './run.ts';

/** Adds snapshots to a run, some with waitpoints. Another one does so at the same time. */
export class Writer implements Actor {
  readonly pauseMs = 1_000;
  readonly #client: Client;
  readonly #run: Run;
  readonly #random: Random;

  constructor(client: Client, run: Run, random: Random) {
    this.#client = client;
    this.#run = run;
    this.#random = random;
  }

  async step(): Promise<boolean> {
    const waitpoints = Array.from({ length: this.#random.pick([0, 0, 1, 3]) }, () => ({}));
    const description = this.#run.describeNext(this.#client.name, waitpoints.length);
    const { status, body } = await this.#client.ask('append', `/runs/${this.#run.id}/snapshots`, {
      method: 'POST',
      body: { description, waitpoints },
    });
    // Without an acknowledgement, nobody knows whether it was committed.
    if (status === 201) this.#run.acknowledge((body as { snapshotId: string }).snapshotId);
    return status === 201;
  }
}
