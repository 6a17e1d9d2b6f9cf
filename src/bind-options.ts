import { assertObject } from './assert-object.ts';
import { InvalidOptionError, kindOf } from './errors.ts';
import { isNonEmptyString } from './is-non-empty-string.ts';
import { isObject } from './is-object.ts';
import type { ReplicaFallbackOptions } from './options.ts';
import { assertRetryMs, isDelay, LONGEST_DELAY } from './retry-policy.ts';

type UncheckedOptions<Client, T> = {
  readonly [Name in keyof Required<ReplicaFallbackOptions<Client, T>>]:
    | ReplicaFallbackOptions<Client, T>[Name]
    | undefined;
};

type Checked<Client, T> = Partial<ReplicaFallbackOptions<Client, T>>;

/** Options that have been read and checked, all of one shape, so that the engine finds each of them at once. */
export type BoundOptions<Client, T> = UncheckedOptions<Client, T> & {
  readonly primary: Client;
  /** Has what the query needs of the client. */
  readonly transaction: Client | undefined;
};

/**
 * Reads each option once, wherever the object has it from, and takes the default for one that is `undefined`.
 *
 * @param defaults - are valid: what a read does not override is not checked again
 * @throws InvalidOptionError for the first option that is not valid
 */
export function bindOptions<Client, T>(
  options: Partial<ReplicaFallbackOptions<Client, T>>,
  defaults: Partial<ReplicaFallbackOptions<Client, T>> = {},
): BoundOptions<Client, T> {
  assertObject('options', 'an object', options);
  const {
    primary = defaults.primary,
    replica = defaults.replica,
    transaction = defaults.transaction,
    enabled = defaults.enabled,
    isMiss = defaults.isMiss,
    isUnavailable = defaults.isUnavailable,
    replicaTimeoutMs = defaults.replicaTimeoutMs,
    retryMs = defaults.retryMs,
    catchUp = defaults.catchUp,
    after = defaults.after,
    primaryBudget = defaults.primaryBudget,
    coalesceKey = defaults.coalesceKey,
    signal = defaults.signal,
    operation = defaults.operation,
    meter = defaults.meter,
    missCounter = defaults.missCounter,
    logger = defaults.logger,
    onOutcome = defaults.onOutcome,
  } = options;
  const bound: UncheckedOptions<Client, T> = {
    primary,
    replica,
    transaction,
    enabled,
    isMiss,
    isUnavailable,
    replicaTimeoutMs,
    retryMs,
    catchUp,
    after,
    primaryBudget,
    coalesceKey,
    signal,
    operation,
    meter,
    missCounter,
    logger,
    onOutcome,
  };
  assertOptions(bound, defaults);
  return bound;
}

/** An option that is the default's, if only by being `undefined`, has been checked with the defaults. */
function assertOptions<Client, T>(
  options: UncheckedOptions<Client, T>,
  checked: Checked<Client, T>,
): asserts options is BoundOptions<Client, T> {
  const { primary, replica, transaction, enabled, isMiss, isUnavailable, retryMs, signal } =
    options;
  assertClient('primary', primary);
  if (replica !== checked.replica) assertReplica(replica);
  if (transaction !== checked.transaction)
    assertClient('transaction', transaction, 'a transaction');
  if (enabled !== checked.enabled)
    assert(typeof enabled === 'boolean', 'enabled', 'a boolean', enabled);
  if (isMiss !== checked.isMiss) assertFunction('isMiss', isMiss);
  if (isUnavailable !== checked.isUnavailable) assertFunction('isUnavailable', isUnavailable);
  if (retryMs !== checked.retryMs) assertRetryMs(retryMs);
  if (signal !== checked.signal) assert(isSignal(signal), 'signal', 'an AbortSignal', signal);
  assertFreshness(options, checked);
  assertBounds(options, checked);
  assertTelemetry(options, checked);
}

/** All that is asked of one, spelled out because many reads bring one of their own. */
function isSignal(given: AbortSignal | undefined): boolean {
  return (
    isObject(given) &&
    typeof given.addEventListener === 'function' &&
    typeof given.removeEventListener === 'function' &&
    typeof given.throwIfAborted === 'function'
  );
}

function assertReplica(replica: unknown): void {
  assertClient('replica', replica);
  if (!Array.isArray(replica)) return;
  for (const [index, client] of replica.entries()) assertClient(`replica[${index}]`, client);
}

function assertFreshness<Client>(
  options: UncheckedOptions<Client, never>,
  checked: Checked<Client, never>,
): void {
  const { catchUp, after } = options;
  if (catchUp !== checked.catchUp) {
    assertMethods('catchUp', A_CATCH_UP, catchUp, 'validate', 'runAt', 'begin', 'recover');
  }
  if (after === checked.after) return;
  if (typeof after !== 'string') {
    throw new InvalidOptionError('after', "a position, or 'now'", after);
  }
  if (catchUp === undefined) {
    throw new InvalidOptionError('catchUp', 'given, as `after` is', catchUp);
  }
  if (after !== 'now') catchUp.validate(after);
}

function assertBounds(
  options: UncheckedOptions<unknown, never>,
  checked: Checked<unknown, never>,
): void {
  const { replicaTimeoutMs, primaryBudget, coalesceKey, operation } = options;
  if (replicaTimeoutMs !== checked.replicaTimeoutMs) {
    const isValid = isDelay(replicaTimeoutMs) && replicaTimeoutMs > 0;
    assert(isValid, 'replicaTimeoutMs', A_TIME_LIMIT, replicaTimeoutMs);
  }
  if (primaryBudget !== checked.primaryBudget) {
    assertMethods('primaryBudget', A_BUDGET, primaryBudget, 'deposit', 'withdraw');
  }
  if (coalesceKey !== undefined) {
    assertName('coalesceKey', coalesceKey);
    assert(operation !== undefined, 'operation', 'given, as `coalesceKey` is', operation);
  }
}

function assertTelemetry(
  options: UncheckedOptions<unknown, never>,
  checked: Checked<unknown, never>,
): void {
  const { operation, meter, missCounter, logger, onOutcome } = options;
  if (operation !== checked.operation) assertName('operation', operation);
  if (missCounter !== checked.missCounter) assertName('missCounter', missCounter);
  if (meter !== checked.meter) {
    assertMethods('meter', 'an OpenTelemetry Meter', meter, 'createCounter', 'createHistogram');
  }
  if (logger !== checked.logger) assertMethods('logger', A_LOGGER, logger, 'warn', 'error');
  if (onOutcome !== checked.onOutcome) assertFunction('onOutcome', onOutcome);
}

const A_TIME_LIMIT = `a number of milliseconds above 0 and up to ${LONGEST_DELAY}`;
const A_CATCH_UP = 'a catch-up, by `walCatchUp()` or the like';
const A_BUDGET = 'a budget, by `createPrimaryBudget()`';
const A_LOGGER = 'an object with the methods `warn` and `error`';

function assert(valid: boolean, option: string, expected: string, given: unknown): void {
  if (!valid) throw new InvalidOptionError(option, expected, given, kindOf(given));
}

function assertFunction(option: string, given: unknown): void {
  if (typeof given === 'function') return;
  throw new InvalidOptionError(option, 'a function', given, kindOf(given));
}

function assertMethods(option: string, expected: string, given: unknown, ...names: string[]): void {
  assertObject(option, expected, given);
  const hasAll = names.every((name) => typeof Reflect.get(given, name) === 'function');
  assert(hasAll, option, expected, given);
}

function assertName(option: string, given: unknown): asserts given is string {
  assert(isNonEmptyString(given), option, 'a string that is not empty', given);
}

/** Clients are objects, or functions with properties, as postgres.js has them. */
function assertClient(option: string, given: unknown, expected = 'a database client'): void {
  if (typeof given !== 'function') assertObject(option, expected, given);
}
