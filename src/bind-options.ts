import { assertObject } from './assert-object.ts';
import { isAboutErrors, isAboutMisses } from './classifier.ts';
import { InvalidOptionError, invalidOption } from './errors.ts';
import type { CatchUp } from './informed-read.ts';
import { A_SWITCH } from './is-enabled.ts';
import { isNonEmptyString } from './is-non-empty-string.ts';
import { isObject } from './is-object.ts';
import type { ReplicaFallbackOptions } from './options.ts';
import { assertRetryMs, isDelay, LONGEST_DELAY } from './retry-policy.ts';
import { insteadOfRouted } from './routed-client.ts';
import { isOfThisVersion } from './version.ts';

type UncheckedOptions<Client, T> = {
  readonly [Name in keyof Required<ReplicaFallbackOptions<Client, T>>]:
    | ReplicaFallbackOptions<Client, T>[Name]
    | undefined;
};

/** Options that have been read and checked, all of one shape, so that the engine finds each of them at once. */
export type BoundOptions<Client, T> = UncheckedOptions<Client, T> & {
  readonly primary: Client;
  /** Has what the query needs of the client. */
  readonly transaction: Client | undefined;
};

/**
 * Reads each option once, wherever the object has it from, checks it, and takes the default for one that is `undefined`.
 *
 * @param defaults - have been checked
 * @throws InvalidOptionError for the first option that is not valid
 */
export function bindOptions<Client, T>(
  options: Partial<ReplicaFallbackOptions<Client, T>>,
  defaults: Partial<ReplicaFallbackOptions<Client, T>> = {},
): BoundOptions<Client, T> {
  assertObject('options', 'an object', options);
  const {
    primary = defaults.primary,
    replica,
    pickReplica,
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
  } = options;
  if (primary !== defaults.primary) assertReadsFromPrimary(primary);
  if (replica !== undefined) assertReplica(replica);
  if (pickReplica !== undefined) assertFunction('pickReplica', pickReplica);
  if (transaction !== undefined) assertClient('transaction', transaction, 'a transaction');
  if (enabled !== undefined) {
    assert(['boolean', 'function'].includes(typeof enabled), 'enabled', A_SWITCH, enabled);
  }
  if (isMiss !== undefined) {
    assertFunction('isMiss', isMiss);
    assert(isAboutMisses(isMiss), 'isMiss', ABOUT_MISSES, isMiss);
  }
  if (isUnavailable !== undefined) {
    assertFunction('isUnavailable', isUnavailable);
    assert(isAboutErrors(isUnavailable), 'isUnavailable', ABOUT_ERRORS, isUnavailable);
  }
  if (replicaTimeoutMs !== undefined) assertTimeLimit('replicaTimeoutMs', replicaTimeoutMs);
  if (retryMs !== undefined) assertRetryMs(retryMs);
  if (catchUp !== undefined) {
    assertMethods('catchUp', A_CATCH_UP, catchUp, 'validate', 'runAt', 'begin', 'recover');
    isOfThisVersion('catchUp', catchUp);
  }
  if (after !== undefined) assertPosition(after, catchUp ?? defaults.catchUp);
  if (primaryBudget !== undefined) {
    assertMethods('primaryBudget', A_BUDGET, primaryBudget, 'deposit', 'withdraw');
  }
  if (coalesceKey !== undefined) {
    assertName('coalesceKey', coalesceKey);
    const isNamed = operation !== undefined || defaults.operation !== undefined;
    assert(isNamed, 'operation', 'given, as `coalesceKey` is', operation);
  }
  if (signal !== undefined) assert(isSignal(signal), 'signal', 'an AbortSignal', signal);
  if (operation !== undefined) assertName('operation', operation);
  if (meter !== undefined) {
    assertMethods('meter', 'an OpenTelemetry Meter', meter, 'createCounter', 'createHistogram');
  }
  if (missCounter !== undefined) assertName('missCounter', missCounter);
  if (logger !== undefined) assertMethods('logger', A_LOGGER, logger, 'warn', 'error');
  if (onOutcome !== undefined) assertFunction('onOutcome', onOutcome);
  const bound: UncheckedOptions<Client, T> = {
    primary,
    replica: replica ?? defaults.replica,
    pickReplica: pickReplica ?? defaults.pickReplica,
    transaction: transaction ?? defaults.transaction,
    enabled: enabled ?? defaults.enabled,
    isMiss: isMiss ?? defaults.isMiss,
    isUnavailable: isUnavailable ?? defaults.isUnavailable,
    replicaTimeoutMs: replicaTimeoutMs ?? defaults.replicaTimeoutMs,
    retryMs: retryMs ?? defaults.retryMs,
    catchUp: catchUp ?? defaults.catchUp,
    after: after ?? defaults.after,
    primaryBudget: primaryBudget ?? defaults.primaryBudget,
    coalesceKey: coalesceKey ?? defaults.coalesceKey,
    signal: signal ?? defaults.signal,
    operation: operation ?? defaults.operation,
    meter: meter ?? defaults.meter,
    missCounter: missCounter ?? defaults.missCounter,
    logger: logger ?? defaults.logger,
    onOutcome: onOutcome ?? defaults.onOutcome,
  };
  assertPrimary(bound);
  return bound;
}

function assertPrimary<Client, T>(
  options: UncheckedOptions<Client, T>,
): asserts options is BoundOptions<Client, T> {
  assertClient('primary', options.primary);
}

function assertReadsFromPrimary(primary: unknown): void {
  const instead = insteadOfRouted(primary);
  if (instead === undefined) return;
  const expected = `a client that reads from the primary, such as ${instead}`;
  throw new InvalidOptionError('primary', expected, primary, 'one that reads from replicas');
}

/** All that is used of one, spelled out because many reads bring one of their own. */
function isSignal(given: AbortSignal): boolean {
  return (
    isObject(given) &&
    typeof given.addEventListener === 'function' &&
    typeof given.removeEventListener === 'function' &&
    typeof given.throwIfAborted === 'function'
  );
}

/** What is no position is not the service's mistake: it may come from a client. */
function assertPosition(after: unknown, catchUp: CatchUp<never> | undefined): void {
  assert(typeof after === 'string', 'after', "a position, or 'now'", after);
  assert(catchUp !== undefined, 'catchUp', 'given, as `after` is', catchUp);
  if (after !== 'now') catchUp.validate(after);
}

function assertReplica(replica: unknown): void {
  assertClient('replica', replica);
  if (!Array.isArray(replica)) return;
  for (const [index, client] of replica.entries()) assertClient(`replica[${index}]`, client);
}

const ABOUT_MISSES = 'a function of the value, or a classifier such as `noRow`';
const ABOUT_ERRORS = 'a function of the error';
const A_TIME_LIMIT = `a number of milliseconds above 0 and up to ${LONGEST_DELAY}`;
const A_CATCH_UP = 'a catch-up, by `walCatchUp()` or the like';
const A_BUDGET = 'a budget, by `createPrimaryBudget()`';
const A_LOGGER = 'an object with the methods `warn` and `error`';

function assert(valid: boolean, option: string, expected: string, given: unknown): asserts valid {
  if (!valid) throw invalidOption(option, expected, given);
}

function assertFunction(option: string, given: unknown): void {
  assert(typeof given === 'function', option, 'a function', given);
}

function assertMethods(option: string, expected: string, given: object, ...names: string[]): void {
  assertObject(option, expected, given);
  const hasAll = names.every((name) => typeof Reflect.get(given, name) === 'function');
  assert(hasAll, option, expected, given);
}

function assertTimeLimit(option: string, given: unknown): void {
  assert(isDelay(given) && given > 0, option, A_TIME_LIMIT, given);
}

function assertName(option: string, given: unknown): void {
  assert(isNonEmptyString(given), option, 'a string that is not empty', given);
}

/** Clients are objects, or functions with properties, as postgres.js has them. */
function assertClient(option: string, given: unknown, expected = 'a database client'): void {
  if (typeof given !== 'function') assertObject(option, expected, given);
}
