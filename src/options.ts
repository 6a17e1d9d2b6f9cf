import { InvalidOptionError } from './errors.ts';
import type { ErrorClassifier, MissClassifier } from './miss.ts';
import type { ReadReport, ReplicaFallbackLogger } from './read-report.ts';
import type { PrimaryBudget } from './primary-budget.ts';
import { assertRetryMs, isDelay, LONGEST_DELAY, type RetryMs } from './retry-policy.ts';
import type { Meter } from './telemetry.ts';

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
  readonly replica?: NoInfer<Client> | readonly NoInfer<Client>[] | undefined;
  /**
   * A transaction that the read is part of. The query runs on it, once, and neither the replica nor `primary` is asked:
   * only the transaction sees its own writes.
   */
  readonly transaction?: NoInfer<Client> | undefined;
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

/** Throws an `InvalidOptionError` for the first option that is not what it has to be. */
export function assertOptions(options: ReplicaFallbackOptions<unknown, never>): void {
  assert(isObject(options), 'options', 'an object', options);
  const { primary, replica, transaction, enabled, isMiss, isUnavailable, retryMs, signal } =
    options;
  assert(isClient(primary), 'primary', 'a database client', primary);
  if (replica !== undefined) assertReplica(replica);
  if (transaction !== undefined) {
    assert(isClient(transaction), 'transaction', 'a transaction', transaction);
  }
  if (enabled !== undefined) assert(typeof enabled === 'boolean', 'enabled', 'a boolean', enabled);
  if (isMiss !== undefined) assertFunction('isMiss', isMiss);
  if (isUnavailable !== undefined) assertFunction('isUnavailable', isUnavailable);
  if (retryMs !== undefined) assertRetryMs(retryMs);
  if (signal !== undefined) {
    assert(isObject(signal) && 'aborted' in signal, 'signal', 'an AbortSignal', signal);
  }
  assertBounds(options);
  assertTelemetry(options);
}

function assertReplica(replica: unknown): void {
  assert(isClient(replica), 'replica', 'a database client', replica);
  if (!Array.isArray(replica)) return;
  for (const [index, client] of replica.entries()) {
    assert(isClient(client), `replica[${index}]`, 'a database client', client);
  }
}

function assertBounds(options: ReplicaFallbackOptions<unknown, never>): void {
  const { replicaTimeoutMs, primaryBudget, coalesceKey, operation } = options;
  if (replicaTimeoutMs !== undefined) {
    const isValid = isDelay(replicaTimeoutMs) && replicaTimeoutMs > 0;
    assert(isValid, 'replicaTimeoutMs', A_TIME_LIMIT, replicaTimeoutMs);
  }
  if (primaryBudget !== undefined) {
    const isValid = hasMethods(primaryBudget, 'deposit', 'withdraw');
    assert(isValid, 'primaryBudget', 'a budget, by `createPrimaryBudget()`', primaryBudget);
  }
  if (coalesceKey !== undefined) {
    assert(isName(coalesceKey), 'coalesceKey', A_NAME, coalesceKey);
    assert(operation !== undefined, 'operation', 'given, as `coalesceKey` is', operation);
  }
}

function assertTelemetry(options: ReplicaFallbackOptions<unknown, never>): void {
  const { operation, meter, missCounter, logger, onOutcome } = options;
  if (operation !== undefined) assert(isName(operation), 'operation', A_NAME, operation);
  if (missCounter !== undefined) assert(isName(missCounter), 'missCounter', A_NAME, missCounter);
  if (meter !== undefined) {
    const isValid = hasMethods(meter, 'createCounter', 'createHistogram');
    assert(isValid, 'meter', 'an OpenTelemetry Meter', meter);
  }
  if (logger !== undefined) {
    const isValid = hasMethods(logger, 'warn', 'error');
    assert(isValid, 'logger', 'an object with the methods `warn` and `error`', logger);
  }
  if (onOutcome !== undefined) assertFunction('onOutcome', onOutcome);
}

const A_TIME_LIMIT = `a number of milliseconds above 0 and up to ${LONGEST_DELAY}`;
const A_NAME = 'a string that is not empty';

function assert(valid: boolean, option: string, expected: string, given: unknown): void {
  if (!valid) throw new InvalidOptionError(option, expected, given);
}

function assertFunction(option: string, given: unknown): void {
  assert(typeof given === 'function', option, 'a function', given);
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Clients are objects, or functions with properties, as postgres.js has them. */
function isClient(value: unknown): boolean {
  return isObject(value) || typeof value === 'function';
}

function hasMethods(value: object, ...names: string[]): boolean {
  return isObject(value) && names.every((name) => typeof Reflect.get(value, name) === 'function');
}
