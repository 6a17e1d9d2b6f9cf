import { assertObject } from './assert-object.ts';
import { invalidOption } from './errors.ts';

/** How much a {@link PrimaryBudget} lets through. */
export interface PrimaryBudgetOptions {
  /** Tokens that each read adds, from 0 to 1. Default is `0.2`: at most one read in five spills. */
  readonly ratio?: number | undefined;
  /** Tokens that each second adds, however few reads there are. Default is `10`. */
  readonly minPerSecond?: number | undefined;
}

/**
 * Bounds the load that misses and failures put on the primary. Reads with the same budget share it. An implementation of
 * your own, for instance one that several processes share, must not throw, and must not return promises: hits call it too.
 */
export interface PrimaryBudget {
  /** Called once for each read, when it is known whether it has to spill. */
  deposit(): void;
  /** Takes a token, or returns `false` when there is none. */
  withdraw(): boolean;
}

/**
 * Creates a token bucket for the option `primaryBudget`. Each read adds `ratio` tokens and each second adds `minPerSecond`; a
 * spill takes one. When there is none, the read rejects with `PrimaryBudgetExceededError` at once.
 *
 * The bucket starts with a second of `minPerSecond`, at least with one token. At most a second or two of income is saved,
 * so a quiet day does not pay for a storm. It bounds one process. Bypassed reads are not counted.
 *
 * @throws InvalidOptionError for a `ratio` that is not from 0 to 1, or a `minPerSecond` that is negative or not finite
 *
 * @example
 * ```ts
 * import { createPrimaryBudget, createReplicaFallback } from 'kysely-replica-fallback';
 * import { primary, replica } from './databases.ts'; // two `Kysely<Database>`
 *
 * const read = createReplicaFallback({
 *   primary,
 *   replica,
 *   primaryBudget: createPrimaryBudget({ ratio: 0.2, minPerSecond: 10 }),
 * });
 * ```
 */
export function createPrimaryBudget(options: PrimaryBudgetOptions = {}): PrimaryBudget {
  assertObject('options', 'an object', options);
  const { ratio = 0.2, minPerSecond = 10 } = options;
  assertUpTo(1, 'ratio', 'a number from 0 to 1', ratio);
  assertUpTo(Number.MAX_VALUE, 'minPerSecond', 'a finite number of at least 0', minPerSecond);

  const reserve = ratio + minPerSecond === 0 ? 0 : Math.max(1, minPerSecond);
  let tokens = reserve;
  let filledAt = performance.now();
  /** What reads have put in since `countedFrom`, and what they put in a second before. */
  let paid = 0;
  let countedFrom = filledAt;
  let paidBefore = 0;

  return {
    // Part of every hit, and so without the clock.
    deposit() {
      tokens += ratio;
      paid += ratio;
    },
    withdraw() {
      const now = performance.now();
      tokens += secondsBetween(filledAt, now) * minPerSecond;
      filledAt = now;
      const seconds = secondsBetween(countedFrom, now);
      if (seconds >= 1) {
        paidBefore = paid / seconds;
        paid = 0;
        countedFrom = now;
      }
      tokens = Math.min(tokens, reserve + paidBefore + paid);
      if (tokens < ONE) return false;
      tokens -= 1;
      return true;
    },
  };
}

/** Ten times 0.1 is a little less than 1. */
const ONE = 1 - 1e-9;

/** A test's clock starts at 0 again, under a budget that is older: that takes nothing out of it. */
function secondsBetween(start: number, end: number): number {
  return Math.abs(end - start) / 1000;
}

function assertUpTo(highest: number, option: string, expected: string, given: unknown): void {
  if (typeof given === 'number' && given >= 0 && given <= highest) return;
  throw invalidOption(option, expected, given);
}
