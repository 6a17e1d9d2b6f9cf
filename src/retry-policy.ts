import { invalidOption } from './errors.ts';
import { observe } from './instruments.ts';
import { isObject } from './is-object.ts';
import type { ReadReport, RecoveryCause } from './read-report.ts';

/**
 * How long to wait, in milliseconds, before the replica is asked again.
 *
 * - `{ min, max }`: once, after a delay drawn evenly from `min` to `max`. `min` is `Math.min(50, max)` when left out.
 * - a number `n`: short for `{ min: n / 4, max: n }`.
 * - a {@link RetryPolicy}: any number of retries, any delays.
 *
 * A `max` of `0` skips the retry: a miss goes to the primary at once. The default is `{ min: 50, max: 200 }`.
 *
 * @example
 * ```ts
 * import { createReplicaFallback, type RetryMs } from 'kysely-replica-fallback';
 * import { primary, replica } from './databases.ts'; // two `Kysely<Database>`
 *
 * const retryMs: RetryMs = { min: 20, max: 80 };
 * const read = createReplicaFallback({ primary, replica, retryMs });
 * ```
 */
export type RetryMs = number | RetryBounds | RetryPolicy;

/** The bounds of the one, jittered delay, in milliseconds. */
export interface RetryBounds {
  /** The shortest delay. Default is `Math.min(50, max)`. */
  readonly min?: number | undefined;
  /** The longest delay. `0` skips the retry. At most 2,147,483,647, the longest that a timer can wait. */
  readonly max: number;
}

/**
 * A retry schedule of your own: decides how often the replica is asked again, and after which delays.
 *
 * @example
 * ```ts
 * import type { RetryPolicy } from 'kysely-replica-fallback';
 *
 * const twice: RetryPolicy = {
 *   *delays() {
 *     yield 20 + Math.random() * 20;
 *     yield 80 + Math.random() * 80;
 *   },
 * };
 * ```
 */
export interface RetryPolicy {
  /**
   * The milliseconds before each replica retry of one recovery. When they run out, the primary is asked. They are
   * read one at a time, and the iterator is closed as soon as the read ends, or after 100 delays. Not called for a recovery
   * that needs no wait, because the replicas failed. With `catchUp` all are read at once, and are the longest wait together.
   */
  readonly delays: (recovery: Recovery) => Iterable<number>;
  /**
   * Hears how a read that needed a recovery ended, so that the policy can learn. `recovery` is the object that `delays` was
   * given. If it throws, the error goes to OpenTelemetry's `diag`; the caller never sees it.
   */
  readonly settle?: ((report: ReadReport, recovery: Recovery) => void) | undefined;
}

/** One recovery of one read, as a {@link RetryPolicy} knows it: the same object from beginning to end. */
export interface Recovery {
  /** The option of the same name. */
  readonly operation: string | undefined;
  /** How the first attempt ended. */
  readonly cause: RecoveryCause;
}

const DEFAULT_BOUNDS = { min: 50, max: 200 };
const DEFAULT_MIN = 50;

/** A timer that is given more fires at once: https://nodejs.org/api/timers.html#settimeoutcallback-delay-args */
export const LONGEST_DELAY = 2 ** 31 - 1;

/** So that a policy without an end cannot keep a read, and the load on the replica, going for ever. */
const MOST_RETRIES = 100;

/** Throws an `InvalidOptionError` for anything that is not a {@link RetryMs}. */
export function assertRetryMs(retryMs: RetryMs | undefined): void {
  if (typeof retryMs === 'number') return assertDelay('retryMs', retryMs);
  if (!isObject(retryMs)) {
    throw invalidOption('retryMs', 'a number, { min, max } or a RetryPolicy', retryMs);
  }
  if (isRetryPolicy(retryMs)) {
    if (retryMs.settle === undefined || typeof retryMs.settle === 'function') return;
    throw invalidOption('retryMs.settle', 'a function', retryMs.settle);
  }
  assertDelay('retryMs.max', retryMs.max);
  if (retryMs.min === undefined) return;
  assertDelay('retryMs.min', retryMs.min);
  if (retryMs.min > retryMs.max) {
    throw invalidOption('retryMs.min', `at most \`retryMs.max\` (${retryMs.max})`, retryMs.min);
  }
}

/** Turns every form of {@link RetryMs} into a policy. `random` returns a number in `[0, 1)`. */
export function toRetryPolicy(
  retryMs: RetryMs = DEFAULT_BOUNDS,
  random: () => number = Math.random,
): RetryPolicy {
  if (typeof retryMs === 'number') return jitteredOnce(retryMs / 4, retryMs, random);
  if (isRetryPolicy(retryMs)) return retryMs;
  const { max, min = Math.min(DEFAULT_MIN, max) } = retryMs;
  return jitteredOnce(min, max, random);
}

/** The policy's delays, each one checked, and not more than a read can bear. */
export function* boundedDelays(policy: RetryPolicy, recovery: Recovery): Generator<number, void> {
  const delays: unknown = policy.delays(recovery);
  if (!isIterable(delays)) {
    throw invalidOption('retryMs.delays()', 'an iterable of milliseconds', delays);
  }
  const iterator = delays[Symbol.iterator]();
  let isOpen = true;
  try {
    for (let count = 0; count < MOST_RETRIES; count++) {
      isOpen = false; // An iterator that throws has closed itself.
      const next = iterator.next();
      if (next.done === true) return;
      isOpen = true;
      assertDelay('retryMs.delays()', next.value);
      yield next.value;
    }
  } finally {
    // The read has its answer by then, so what this throws must not become one.
    if (isOpen) observe(() => iterator.return?.());
  }
}

/**
 * The longest that a recovery waits, in milliseconds: the upper bound of the one delay, or a policy's delays together, by
 * default as long as without one.
 */
export function longestWait(
  retryMs: RetryMs = DEFAULT_BOUNDS,
  delays: readonly number[] = [DEFAULT_BOUNDS.max],
): number {
  if (typeof retryMs === 'number') return retryMs;
  if (!isRetryPolicy(retryMs)) return retryMs.max;
  const sum = delays.reduce((waitMs, delayMs) => waitMs + delayMs, 0);
  return Math.min(sum, LONGEST_DELAY);
}

/** How long the primary's position may take for a read that does not wait for replicas. In milliseconds. */
export const DEFAULT_TIMEOUT_MS = 200;

/** How long a connection of a replica, and the check on it, may take at least: a new one takes a while. In milliseconds. */
export const CONNECTION_TIMEOUT_MS = 1_000;

function jitteredOnce(min: number, max: number, random: () => number): RetryPolicy {
  return { delays: () => (max === 0 ? [] : [min + random() * (max - min)]) };
}

function isRetryPolicy(retryMs: object): retryMs is RetryPolicy {
  return 'delays' in retryMs && typeof retryMs.delays === 'function';
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return isObject(value) && Symbol.iterator in value;
}

export function isDelay(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= LONGEST_DELAY;
}

function assertDelay(option: string, value: unknown): asserts value is number {
  if (isDelay(value)) return;
  throw invalidOption(option, `a number of milliseconds from 0 to ${LONGEST_DELAY}`, value);
}
