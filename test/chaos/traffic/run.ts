/** A run, with what is known of it: only what was acknowledged is known to be committed. */
export class Run {
  readonly name: string;
  readonly id: string;
  /** The ids of the snapshots that were acknowledged, in the order of their creation. */
  readonly #acknowledged: string[];
  /** How many snapshots each writer has asked for. */
  readonly #asked = new Map<string, number>();

  constructor(name: string, id: string, firstSnapshotId: string) {
    this.name = name;
    this.id = id;
    this.#acknowledged = [firstSnapshotId];
  }

  get acknowledged(): readonly string[] {
    return this.#acknowledged;
  }

  get newest(): string {
    return this.#acknowledged.at(-1)!; // there is always the first one
  }

  /** Says what a writer's next snapshot is called. Each writer waits for an answer before it asks for another. */
  describeNext(writer: string, waitpoints: number): string {
    const number = (this.#asked.get(writer) ?? 0) + 1;
    this.#asked.set(writer, number);
    return `${this.name} ${writer} ${number} with ${waitpoints}`;
  }

  /** Whether it is the description of a snapshot that was asked for in this run. */
  hasAskedFor(description: string): boolean {
    if (description === '') return true; // the first one
    const [, run = '', writer = '', number] = DESCRIPTION.exec(description) ?? [];
    return run === this.name && Number(number) <= (this.#asked.get(writer) ?? 0);
  }

  /** Ids sort by creation. Two writers may hear of theirs in another order. */
  acknowledge(snapshotId: string): void {
    let place = this.#acknowledged.length;
    while (place > 0 && this.#acknowledged[place - 1]! > snapshotId) place--;
    this.#acknowledged.splice(place, 0, snapshotId);
  }

  /** A snapshot that was acknowledged, lies between the two, and is not among the ids. */
  findSkipped(anchor: string, last: string, ids: ReadonlySet<string>): string | undefined {
    for (let place = this.#acknowledged.length - 1; place >= 0; place--) {
      const id = this.#acknowledged[place]!;
      if (id <= anchor) return undefined;
      if (id < last && !ids.has(id)) return id;
    }
    return undefined;
  }
}

const DESCRIPTION = /^(\S+) (\S+) (\d+) with \d+$/;
