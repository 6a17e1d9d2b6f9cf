import type { CatchUp } from './informed-read.ts';
import type { Meter } from './instruments.ts';
import type { ErrorClassifier, IsMiss } from './classifier.ts';
import type { ReadReport, ReplicaFallbackLogger } from './read-report.ts';
import type { PrimaryBudget } from './primary-budget.ts';
import type { RetryMs } from './retry-policy.ts';

/**
 * The options of one read. Each is read once, when the read is called, or when defaults are bound.
 *
 * @typeParam Client - what the query runs on: a `Kysely<DB>`, or any other client
 * @typeParam T - what the query resolves with
 */
export interface ReplicaFallbackOptions<Client, T> {
  /**
   * The primary's client: asked last, and the only one that is asked in a bypass. It has to read from the primary itself. A
   * client that is known to send reads to replicas is refused: Drizzle's `withReplicas` and Prisma's read-replicas extension,
   * in place of their `$primary`, and TypeORM with `replication`.
   */
  readonly primary: Client;
  /**
   * The replica's client, which is asked first, or several. Each read starts on a random replica, and tries the others
   * before the primary: all of them after failures, one more per retry after misses, so that by default a third one is not
   * asked. One that is listed twice is picked twice as often. Default is none: every read goes straight to `primary`.
   */
  readonly replica?: Client | readonly Client[] | undefined;
  /**
   * Picks the replica that a read asks next, of several: the nearest one, or always the same one for a user. It is given those
   * that the read has not asked yet, at first all of them, and must return one of them, or `undefined` for one at random. After
   * a wait by `catchUp`, the replica is asked that has caught up first. It must be quick; what it throws ends the read. Default
   * is one at random.
   */
  readonly pickReplica?:
    | ((replicas: readonly NoInfer<Client>[]) => NoInfer<Client> | undefined)
    | undefined;
  /**
   * A transaction that the read is part of. The query runs on it, once, and neither the replica nor `primary` is asked:
   * only the transaction sees its own writes. Default is none.
   */
  readonly transaction?: TransactionOf<NoInfer<Client>> | undefined;
  /**
   * `false` sends every read straight to `primary`: the switch for operators. A function is asked for each read, so that the
   * switch works without a restart. It must be quick; what it throws ends the read, and so does an answer that is no boolean.
   * Default is `true`.
   */
  readonly enabled?: boolean | (() => boolean) | undefined;
  /**
   * What counts as "not here (yet)": a function of the value, such as `(exists) => !exists`, or a classifier. Default is
   * `noRow`: `undefined`, `null` or Kysely's `NoResultError`. It never matches a list, a count or a flag.
   */
  readonly isMiss?: IsMiss<T> | undefined;
  /**
   * Which errors mean that the replica could not answer. Such a failure goes to another replica, or else to the primary,
   * at once: with no wait, and without asking the same replica again. By default no error does, and each one that is not
   * a miss goes to the caller.
   */
  readonly isUnavailable?: ErrorClassifier | undefined;
  /**
   * How many milliseconds each attempt on a replica may take. A timeout counts as a failure regardless of
   * `isUnavailable`, and aborts the attempt's `signal` with a `ReplicaTimeoutError`. A query that ignores its `signal`
   * keeps running and holds its connection until it finishes. It bounds neither the wait before a retry nor the primary:
   * use `signal` for the whole read. Default is no limit.
   */
  readonly replicaTimeoutMs?: number | undefined;
  /**
   * How many milliseconds to wait after a miss, before the replica is asked once more. A `max` of `0` goes to the
   * primary at once. Default is `{ min: 50, max: 200 }`, drawn evenly. See {@link RetryMs}.
   */
  readonly retryMs?: RetryMs | undefined;
  /**
   * Knows the positions of the servers, and makes the wait after a miss an informed one: it ends when a replica has replayed
   * what the primary had, and at the latest after the longest wait of `retryMs`. What the replica answers then is final.
   * `walCatchUp()` is the one for PostgreSQL. Default is none: the wait is a guess.
   */
  readonly catchUp?: CatchUp<NoInfer<Client>> | undefined;
  /**
   * How new the answer has to be: a position, as `walPosition()` returns it, or `'now'`, for all that was committed before
   * the read began. A replica's answer counts only if the replica had replayed that much. Needs `catchUp`. A bypass ignores
   * it, because the primary is never behind. Default is none: any answer with a row counts.
   */
  readonly after?: string | undefined;
  /**
   * Bounds how many reads spill, together with all other reads that have the same budget: see `createPrimaryBudget`. When
   * it is empty, a read rejects with `PrimaryBudgetExceededError` instead of asking the primary. Default is no limit.
   */
  readonly primaryBudget?: PrimaryBudget | undefined;
  /**
   * Reads of one `operation` and key that spill at the same time share one query on the primary, and get the same object. They
   * share it only if `primary` is the same object: what `withSchema()` and `withPlugin()` make is another client. The key has to name everything that the query depends on, such as the id. A read never gets the answer of a query that
   * started before the read did. Give the query the `signal` that it receives, not one of its request: an abort of the
   * first would end the query for all. Needs `operation`. Default is none: each spill is a query of its own.
   */
  readonly coalesceKey?: string | undefined;
  /**
   * Ends the read as soon as it aborts, whatever the read is doing, with the signal's `reason`; a bypass, too. A running
   * query stops only if it is passed the `signal` that the query function receives. Default is none.
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * The query's name in metrics, logs and reports. Use few names, never an id. Default is none, and the attribute is
   * left out.
   */
  readonly operation?: string | undefined;
  /** The OpenTelemetry meter to count with. Default is one from the global provider, looked up at each read. */
  readonly meter?: Meter | undefined;
  /** The name of the counter of misses. Default is `'replica_fallback.replica_miss'`. */
  readonly missCounter?: string | undefined;
  /** `warn` is called when the primary served a read, `error` when a read threw. Default is none. */
  readonly logger?: ReplicaFallbackLogger | undefined;
  /**
   * Called once when a read has ended, before its promise settles. If it throws, the error goes to OpenTelemetry's `diag`;
   * the caller never sees it. Default is none.
   */
  readonly onOutcome?: ((report: ReadReport) => void) | undefined;
}

/**
 * What may stand in for a client in a transaction: the client, some of its members (as in Drizzle and Prisma, whose
 * transactions lack what opens and closes connections), or the connection that a pool hands out.
 */
export type TransactionOf<Client> =
  | Client
  | (Partial<Client> & OneMemberOf<Client>)
  | ConnectionOf<Client>;

/** A method or the like that the client always has: a flag of it makes nothing a client, and an optional one not even `{}`. */
type OneMemberOf<Client> = {
  [Member in keyof Client]-?: Client[Member] extends object ? Pick<Client, Member> : never;
}[keyof Client];

type ConnectionOf<Pool> = Pool extends {
  connect: { (): Promise<infer Connection>; (callback: never): void };
}
  ? Connection
  : never;

/**
 * What a read has of its own, beside the defaults of `createReplicaFallback`. `undefined` leaves a default in place, and `null`
 * clears it, for this one read.
 */
export type ReadOverrides<Client, T> = {
  readonly [Name in keyof ReplicaFallbackOptions<Client, T>]?:
    | ReplicaFallbackOptions<Client, T>[Name]
    | (Name extends 'primary' ? undefined : null);
};
