import type { AttemptSource } from './attempt.ts';

/**
 * How a read ended:
 *
 * - `replica`: the replica's first answer
 * - `replica_retry`: the replica's answer after a wait, or another replica's
 * - `primary`: the primary's answer, after a miss or a failure
 * - `not_found`: a miss on the primary too, or on a replica that had replayed all that the primary had; the caller gets that
 *   server's answer
 * - `rejected`: the read needed the primary, and `primaryBudget` was empty
 * - `error`: an error that is neither a miss nor a failure of the replica
 */
export type Outcome = AttemptSource | 'not_found' | 'rejected' | 'error';

/** What an observer hears about a read when it has ended. A bypass is not a read, and has no report. */
export interface ReadReport {
  /** The option of the same name. */
  readonly operation: string | undefined;
  readonly outcome: Outcome;
  /**
   * How many attempts there were, shared ones included: 1 for a hit; with one replica and the default policy, at most 3.
   * 0 when the read ended before the first one: the signal had aborted, or `enabled` or `pickReplica` threw.
   */
  readonly attempts: number;
  /** Milliseconds from the call to its end, with two decimals at most, as all durations here. */
  readonly durationMs: number;
  /** Only when the first attempt was a miss or a failure: what followed from it. */
  readonly recovery?: RecoveryReport;
  /** Only when a replica could not answer: the first error that said so. */
  readonly replicaError?: unknown;
  /** Only when the primary was asked by another read, whose answer is this one's too: see `coalesceKey`. */
  readonly coalesced?: true;
  /** Only when an attempt was made and the read threw: the source of its last attempt. */
  readonly failedDuring?: AttemptSource;
  /** Only when the read threw: what it threw, which is what the caller gets. */
  readonly error?: unknown;
}

/** What began a recovery: the replica's answer was a miss, or the replica could not answer. */
export type RecoveryCause = 'miss' | 'failure';

/** What a {@link ReadReport} says about the time after the first attempt. */
export interface RecoveryReport {
  /** How the first attempt ended. */
  readonly cause: RecoveryCause;
  /** How many attempts on replicas were misses, the first one included. */
  readonly misses: number;
  /** How many attempts on replicas were failures, the first one included. */
  readonly failures: number;
  /** Milliseconds from the end of the first attempt to the end of the read. */
  readonly durationMs: number;
  /** Only with `catchUp`, when there was something to wait for. */
  readonly catchUp?: CatchUpReport;
}

/**
 * How an informed wait ended:
 *
 * - `caught_up`: a replica had replayed what the read waited for
 * - `late`: none had, when the longest wait of `retryMs` was over
 * - `hopeless`: none could have by then, so the read did not wait any longer
 * - `unknown`: a position was not known, so the read went on as without `catchUp`
 * - `aborted`: the read's `signal` aborted first
 */
export type CatchUpEnd = 'caught_up' | 'late' | 'hopeless' | 'unknown' | 'aborted';

/** What a {@link RecoveryReport} says about an informed wait. */
export interface CatchUpReport {
  /** What the replica lacked: a row, or the position that the read gave as `after`. */
  readonly waitedFor: 'existence' | 'after';
  readonly end: CatchUpEnd;
  /**
   * Milliseconds from the miss to the end of the wait, without the attempts: for `caught_up`, how long the replica was still
   * behind.
   */
  readonly waitMs: number;
}

/**
 * Where a read's two log lines go. `console` fits as it is. pino takes its arguments the other way round, and structured
 * loggers have to be told which fields hold errors:
 *
 * @example
 * ```ts
 * import type { ReplicaFallbackLogger } from 'kysely-replica-fallback';
 * import { pino, stdSerializers } from 'pino';
 *
 * const { err } = stdSerializers;
 * const log = pino({ serializers: { error: err, replicaError: err } });
 * const logger: ReplicaFallbackLogger = {
 *   warn: (message, fields) => log.warn(fields, message),
 *   error: (message, fields) => log.error(fields, message),
 * };
 * ```
 */
export interface ReplicaFallbackLogger {
  /** The primary served a read that the replica should have served. */
  warn(message: string, fields: ReadReport): void;
  /** The read threw. `fields.failedDuring` says which attempt, and `fields.error` what. */
  error(message: string, fields: ReadReport): void;
  /** Not read. It keeps out pino and Fastify's `log`, which have a method of this name and would print no report. */
  readonly silent?: boolean | undefined;
}
