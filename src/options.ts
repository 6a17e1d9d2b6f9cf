import type { Meter } from './instruments.ts';
import type { ErrorClassifier, MissClassifier } from './miss.ts';
import type { ReadReport, ReplicaFallbackLogger } from './read-report.ts';
import type { PrimaryBudget } from './primary-budget.ts';
import type { RetryMs } from './retry-policy.ts';

/**
 * The options of one read.
 *
 * @typeParam Client - what the query runs on: a `Kysely<DB>`, or any other client
 * @typeParam T - what the query resolves with
 */
export interface ReplicaFallbackOptions<Client, T> {
  /** The client of the primary: asked last, and the only one that is asked in a bypass. */
  readonly primary: Client;
  /**
   * The client of the read replica, which is asked first, or several: each read starts on any one of them, all equally
   * likely, and after a miss or a failure another one is asked, while there is one, before the primary. Default is none,
   * and every read goes straight to `primary`.
   */
  readonly replica?: Client | readonly Client[] | undefined;
  /**
   * A transaction that the read is part of. The query runs on it, once, and neither the replica nor `primary` is asked:
   * only the transaction sees its own writes.
   */
  readonly transaction?: TransactionOf<NoInfer<Client>> | undefined;
  /** `false` sends every read straight to `primary`: the switch for operators. Default is `true`. */
  readonly enabled?: boolean | undefined;
  /** What counts as "not here (yet)". Default is `noRow`: `undefined`, `null` or Kysely's `NoResultError`. */
  readonly isMiss?: MissClassifier<T> | undefined;
  /**
   * Whether an error means that the replica could not answer. Such a failure goes to another replica, or else to the
   * primary, at once: with no wait, and without asking the same one again. Default is that none does, and each error that
   * is not a miss goes to the caller.
   */
  readonly isUnavailable?: ErrorClassifier | undefined;
  /**
   * How many milliseconds each attempt on a replica may take. When they are up, its `signal` aborts with a
   * `ReplicaTimeoutError`, and the read goes on as after a failure, whatever `isUnavailable` says. It bounds neither the
   * wait before a retry nor the primary: `signal` is for the whole read. A query that ignores its `signal` is left behind,
   * and holds its connection until it ends. Default is no limit.
   */
  readonly replicaTimeoutMs?: number | undefined;
  /**
   * How many milliseconds to wait after a miss, before the replica is asked once more. A `max` of `0` goes to the
   * primary at once. Default is `{ min: 50, max: 200 }`, evenly distributed. See {@link RetryMs}.
   */
  readonly retryMs?: RetryMs | undefined;
  /**
   * Bounds how many reads may spill, together with all reads that have the same one: see `createPrimaryBudget`. When it
   * has none left, the read rejects with `PrimaryBudgetExceededError` instead of asking the primary. Default is no bound.
   */
  readonly primaryBudget?: PrimaryBudget | undefined;
  /**
   * Reads of one `operation` and key that spill at the same time share one query on the primary, and its answer, the same
   * object. So the key names all that the query depends on, such as the id. A read never gets the answer of a query that
   * started before the read did. Needs `operation`. Default is none, and each spill is a query of its own.
   */
  readonly coalesceKey?: string | undefined;
  /**
   * Ends the read as soon as it aborts, whatever the read is doing, with the signal's `reason`. A query that is running
   * then is left behind, unless it takes the `signal` that it is given. Default is none.
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * The query's name in metrics, logs and reports: one of few, never an id. Default is none, and the attribute is
   * left out.
   */
  readonly operation?: string | undefined;
  /** The OpenTelemetry meter to count with. Default is one from the global provider, looked up at each read. */
  readonly meter?: Meter | undefined;
  /** The name of the counter of misses. Default is `'replica_fallback.replica_miss'`. */
  readonly missCounter?: string | undefined;
  /** Warned when the primary served a read, and told of an error when a read threw. Default is none. */
  readonly logger?: ReplicaFallbackLogger | undefined;
  /** Called once when a read has ended, before its promise settles. What it throws is not the caller's. */
  readonly onOutcome?: ((report: ReadReport) => void) | undefined;
}

/**
 * What may stand in for a client in a transaction: the client, some of its members (as in Drizzle and Prisma, whose
 * transactions lack what opens and closes connections), or the connection that a pool hands out.
 */
export type TransactionOf<Client> =
  | Client
  | (Partial<Client> & { [Member in keyof Client]: Pick<Client, Member> }[keyof Client])
  | ConnectionOf<Client>;

type ConnectionOf<Pool> = Pool extends {
  connect: { (): Promise<infer Connection>; (callback: never): void };
}
  ? Connection
  : never;
