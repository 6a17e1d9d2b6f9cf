import { Violation } from '../checks/violation.ts';
import { at, pause } from '../clock.ts';
import type { Random } from '../random.ts';
import type { Plan, Stage, Target } from './fault.ts';
import { FAULTS } from './faults.ts';

const SHORTEST_GAP_MS = 600;
const LONGEST_GAP_MS = 1_400;

/** A fault that has struck. Times are of `performance.now()`. */
interface Struck {
  readonly name: string;
  readonly what: string;
  readonly from: number;
  until?: number;
}

/** Lets faults strike, as a seed has it, and remembers them. */
export class Schedule {
  readonly #stage: Stage;
  readonly #random: Random;
  readonly #struck: Struck[] = [];
  /** What each target is busy with. */
  readonly #busy = new Map<Target, Promise<void>>();

  constructor(stage: Stage, random: Random) {
    this.#stage = stage;
    this.#random = random;
  }

  /** How often each fault has struck. */
  get counts(): ReadonlyMap<string, number> {
    const counts = new Map(FAULTS.map(({ name }) => [name, 0]));
    for (const { name } of this.#struck) counts.set(name, (counts.get(name) ?? 0) + 1);
    return counts;
  }

  /** The faults that are not over, or were not before a moment. */
  describe(since: number): string[] {
    return this.#struck
      .filter(({ until = Infinity }) => until >= since)
      .map(({ what, from, until }) => `${at(from)} – ${until ? at(until) : '…'}  ${what}`);
  }

  /**
   * Lets a fault strike about every second until the signal aborts, and then undoes all. One whose target is struck already
   * waits for its turn, so for each target their order is the seed's.
   */
  async go(signal: AbortSignal): Promise<void> {
    const failure = new AbortController();
    const end = AbortSignal.any([signal, failure.signal]);
    const faults = FAULTS.filter(({ isPossible }) => isPossible?.(this.#stage) ?? true);
    while (!end.aborted) {
      const fault = this.#random.pickByWeight(faults);
      const plan = fault.plan(this.#stage, this.#random);
      const turn = Promise.all(plan.targets.map(async (target) => this.#busy.get(target)));
      const over = turn
        .then(() => (end.aborted ? undefined : this.#strike(fault.name, plan, end)))
        .catch((error: unknown) => failure.abort(error));
      for (const target of plan.targets) this.#busy.set(target, over);
      await pause(this.#random.integer(SHORTEST_GAP_MS, LONGEST_GAP_MS), end);
    }
    await Promise.all(this.#busy.values());
    failure.signal.throwIfAborted();
  }

  async #strike(name: string, plan: Plan, end: AbortSignal): Promise<void> {
    const { detail, targets, lastsMs = 0, strike, undo } = plan;
    const what = [name, detail, `(${targets.join(', ')})`].filter(Boolean).join(' ');
    const struck: Struck = { name, what, from: performance.now() };
    this.#struck.push(struck);
    try {
      await strike();
      await pause(lastsMs, end);
      await undo?.();
    } catch (cause) {
      if (cause instanceof Violation) throw cause;
      throw new Error(`The fault "${what}" did not go as planned: ${String(cause)}`, { cause });
    }
    struck.until = performance.now();
  }
}
