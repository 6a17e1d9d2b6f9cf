import { assertObject } from './assert-object.ts';
import { isAboutErrors, isAboutMisses } from './classifier.ts';
import { InvalidOptionError, invalidOption } from './errors.ts';
import type { CatchUp } from './informed-read.ts';
import { A_SWITCH } from './is-enabled.ts';
import { isNonEmptyString } from './is-non-empty-string.ts';
import { isObject } from './is-object.ts';
import type { ReadOverrides, ReplicaFallbackOptions } from './options.ts';
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
 * Reads each option once, wherever the object has it from, checks it, and takes the default for one that is `undefined`. With
 * defaults, `null` is none of either.
 *
 * @param defaults - have been checked
 * @throws InvalidOptionError for the first option that is not valid
 */
export function bindOptions<Client, T>(
  options: ReadOverrides<Client, T>,
  defaults: Partial<ReplicaFallbackOptions<Client, T>> = NO_DEFAULTS,
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
  const isGiven = defaults === NO_DEFAULTS ? isDefined : isNotNull;
  if (primary !== defaults.primary) assertReadsFromPrimary(primary);
  if (isGiven(replica)) assertReplica(replica);
  if (isGiven(pickReplica)) assertFunction('pickReplica', pickReplica);
  if (isGiven(transaction)) assertClient('transaction', transaction, 'a transaction');
  if (isGiven(enabled)) {
    assert(['boolean', 'function'].includes(typeof enabled), 'enabled', A_SWITCH, enabled);
  }
  if (isGiven(isMiss)) {
    assertFunction('isMiss', isMiss);
    assert(isAboutMisses(isMiss), 'isMiss', ABOUT_MISSES, isMiss);
  }
  if (isGiven(isUnavailable)) {
    assertFunction('isUnavailable', isUnavailable);
    assert(isAboutErrors(isUnavailable), 'isUnavailable', ABOUT_ERRORS, isUnavailable);
  }
  if (isGiven(replicaTimeoutMs)) assertTimeLimit('replicaTimeoutMs', replicaTimeoutMs);
  if (isGiven(retryMs)) assertRetryMs(retryMs);
  if (isGiven(catchUp)) {
    assertMethods('catchUp', A_CATCH_UP, catchUp, 'validate', 'runAt', 'begin', 'recover');
    isOfThisVersion('catchUp', catchUp);
  }
  if (isGiven(after)) assertPosition(after, orDefault(catchUp, defaults.catchUp));
  if (isGiven(primaryBudget)) {
    assertMethods('primaryBudget', A_BUDGET, primaryBudget, 'deposit', 'withdraw');
  }
  if (isGiven(coalesceKey)) assertName('coalesceKey', coalesceKey);
  if (isGiven(signal)) assert(isSignal(signal), 'signal', 'an AbortSignal', signal);
  if (isGiven(operation)) assertName('operation', operation);
  if (isGiven(meter)) {
    assertMethods('meter', 'an OpenTelemetry Meter', meter, 'createCounter', 'createHistogram');
  }
  if (isGiven(missCounter)) assertName('missCounter', missCounter);
  if (isGiven(logger)) assertMethods('logger', A_LOGGER, logger, 'warn', 'error');
  if (isGiven(onOutcome)) assertFunction('onOutcome', onOutcome);
  const bound: UncheckedOptions<Client, T> = {
    primary,
    replica: orDefault(replica, defaults.replica),
    pickReplica: orDefault(pickReplica, defaults.pickReplica),
    transaction: orDefault(transaction, defaults.transaction),
    enabled: orDefault(enabled, defaults.enabled),
    isMiss: orDefault(isMiss, defaults.isMiss),
    isUnavailable: orDefault(isUnavailable, defaults.isUnavailable),
    replicaTimeoutMs: orDefault(replicaTimeoutMs, defaults.replicaTimeoutMs),
    retryMs: orDefault(retryMs, defaults.retryMs),
    catchUp: orDefault(catchUp, defaults.catchUp),
    after: orDefault(after, defaults.after),
    primaryBudget: orDefault(primaryBudget, defaults.primaryBudget),
    coalesceKey: orDefault(coalesceKey, defaults.coalesceKey),
    signal: orDefault(signal, defaults.signal),
    operation: orDefault(operation, defaults.operation),
    meter: orDefault(meter, defaults.meter),
    missCounter: orDefault(missCounter, defaults.missCounter),
    logger: orDefault(logger, defaults.logger),
    onOutcome: orDefault(onOutcome, defaults.onOutcome),
  };
  assertPrimary(bound);
  const isNamed = bound.coalesceKey === undefined || bound.operation !== undefined;
  assert(isNamed, 'operation', 'given, as `coalesceKey` is', operation);
  const canCompare = bound.after === undefined || bound.catchUp !== undefined;
  assert(canCompare, 'catchUp', 'given, as `after` is', catchUp);
  return bound;
}

const NO_DEFAULTS = {};

function isDefined<Value>(given: Value): given is NonNullable<Value> {
  return given !== undefined;
}

function isNotNull<Value>(given: Value): given is NonNullable<Value> {
  return given !== undefined && given !== null;
}

/** `null` clears the default. */
function orDefault<Value>(given: Value | null | undefined, byDefault: Value | undefined) {
  return given === null ? undefined : (given ?? byDefault);
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
  if (after !== 'now') catchUp?.validate(after);
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
