import { at } from '../clock.ts';
import type { Tally } from '../traffic/tally.ts';
import { Violation } from './violation.ts';

/** What the service's `createPrimaryBudget()` promises. */
const RATIO = 0.2;
const PER_SECOND = 10;
/** "At most a second or two of income is saved", beside what the bucket starts with. */
const SAVED_SECONDS = 2;
/** Between a spill and its query on the wire, because it may have to wait for a connection. */
const ON_ITS_WAY_MS = 3_000;
/** Reads that have begun even longer ago, and pay in only now: all that are under way at once, at most. */
const UNDER_WAY = 400;
const LOOKED_BACK_MS = 15_000;

/** How a query that reads snapshots begins, in what is sent to the primary. Nothing else reads there. */
const SPILL = /with "page" as \(|select "id", "description", "created_at"/g;

interface Sample {
  readonly time: number;
  readonly spills: number;
  readonly reads: number;
}

/** Counts the reads that reach the primary, on the wire, and holds them against what the budget allows. */
export class BudgetWatch {
  spills = 0;
  readonly #samples: Sample[] = [];

  /** Hears what is sent to the primary. */
  readonly hear = (sent: Buffer): void => {
    this.spills += sent.toString('latin1').match(SPILL)?.length ?? 0;
  };

  /**
   * Compares the spills of every stretch of time that ends now with what was allowed in it.
   *
   * @throws Violation when there were more
   */
  check({ reads }: Tally): void {
    const now: Sample = { time: performance.now(), spills: this.spills, reads };
    this.#samples.push(now);
    while (this.#samples[0]!.time < now.time - LOOKED_BACK_MS) this.#samples.shift();
    for (const start of this.#samples) {
      const begun = this.#sampleBefore(start.time - ON_ITS_WAY_MS);
      const seconds = (now.time - begun.time) / 1_000;
      const saved = PER_SECOND + RATIO * (SAVED_SECONDS * this.#readsPerSecond(start) + UNDER_WAY);
      const allowed = saved + PER_SECOND * seconds + RATIO * (now.reads - begun.reads);
      const spills = now.spills - start.spills;
      if (spills <= allowed) continue;
      throw new Violation(
        'the budget is kept',
        `${Math.floor(allowed)} reads or fewer on the primary since ${at(start.time)}`,
        `${spills}`,
      );
    }
  }

  #sampleBefore(time: number): Sample {
    return this.#samples.findLast((sample) => sample.time <= time) ?? this.#samples[0]!;
  }

  /** The most of any second in the time before a sample from which income may be saved. */
  #readsPerSecond(until: Sample): number {
    const from = until.time - ON_ITS_WAY_MS - SAVED_SECONDS * 1_000;
    const rates = this.#samples
      .filter(({ time }) => time >= from && time <= until.time)
      .map((sample) => {
        const before = this.#sampleBefore(sample.time - 1_000);
        return ((sample.reads - before.reads) * 1_000) / Math.max(1_000, sample.time - before.time);
      });
    return Math.max(0, ...rates);
  }
}
