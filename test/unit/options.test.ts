import {
  createPrimaryBudget,
  createReplicaFallback,
  InvalidOptionError,
  noRow,
  type ReplicaFallbackOptions,
  withReplicaFallback,
} from 'kysely-replica-fallback';
import { expect, test } from 'vitest';

const A_DELAY = 'a number of milliseconds from 0 to 2147483647';
const A_TIME = 'a number of milliseconds above 0 and up to 2147483647';
const A_LOGGER = 'an object with the methods `warn` and `error`';
const primary = { name: 'primary' };
const noop = () => {};
const neverRun = async () => expect.unreachable('The query ran.');
const SIGNAL = { addEventListener: noop, removeEventListener: noop, throwIfAborted: noop };

/** The value, the option that it is for, what is expected, and the options that hold it. */
type Mistake = [given: unknown, option: string, expected: string, options: object];

function mistakes(option: string, expected: string, values: unknown[]): Mistake[] {
  return values.map((given) => [given, option, expected, { [option]: given }]);
}

function bound(name: 'min' | 'max', values: unknown[]): Mistake[] {
  return values.map((given) => {
    return [given, `retryMs.${name}`, A_DELAY, { retryMs: { max: 10, [name]: given } }];
  });
}

test.for([
  ...mistakes('primary', 'a database client', [undefined, null, 5, 'postgres://']),
  ...mistakes('replica', 'a database client', [null, 5, 'postgres://', false]),
  ...mistakes('pickReplica', 'a function', [null, true, {}]),
  ...mistakes('transaction', 'a transaction', [null, 5, true]),
  ...mistakes('enabled', 'a boolean, or a function that returns one', [null, 0, 'false']),
  ...mistakes('isMiss', 'a function', [null, true, {}]),
  ...mistakes('signal', 'an AbortSignal', [null, true, {}, noop, { aborted: false }]),
  ...Object.keys(SIGNAL).flatMap((method) =>
    mistakes('signal', 'an AbortSignal', [{ ...SIGNAL, [method]: undefined }]),
  ),
  ...mistakes('operation', 'a string that is not empty', [null, '', 5]),
  ...mistakes('missCounter', 'a string that is not empty', [null, '', {}]),
  ...mistakes('meter', 'an OpenTelemetry Meter', [null, {}, { createCounter: noop }, noop]),
  ...mistakes('meter', 'an OpenTelemetry Meter', [{ createHistogram: noop }]),
  ...mistakes('logger', A_LOGGER, [null, {}, { warn: noop }, { error: noop }]),
  ...mistakes('onOutcome', 'a function', [null, {}, 'log']),
  ...mistakes('replicaTimeoutMs', A_TIME, [null, '5', Number.NaN, 0, -1, Infinity, 2 ** 31]),
  ...mistakes('retryMs', A_DELAY, [Number.NaN, -1, Infinity, 2 ** 31]),
  ...mistakes('retryMs', 'a number, { min, max } or a RetryPolicy', [null, '50', true, noop]),
  ...bound('max', [undefined, null, '50', Number.NaN, -1, Infinity, 2 ** 31]),
  ...bound('min', [null, '5', Number.NaN, -1]),
])('refuses %o for `%s`', async ([given, option, expected, options]) => {
  const bad = { primary, ...options } as ReplicaFallbackOptions<object, unknown>;
  let runs = 0;
  const query = async () => runs++;

  const error: unknown = await withReplicaFallback(query, bad).catch((reason: unknown) => reason);

  expect(error).toBeInstanceOf(InvalidOptionError);
  expect(error).toMatchObject({ option, expected, given });
  expect(runs).toBe(0);
  expect(() => createReplicaFallback(bad)).toThrow((error as InvalidOptionError).message);
});

test.for([
  { replica: 5 },
  { pickReplica: 5 },
  { transaction: 5 },
  { enabled: 5 },
  { isMiss: 5 },
  { isUnavailable: 5 },
  { replicaTimeoutMs: '5' },
  { retryMs: '5' },
  { primaryBudget: 5 },
  { coalesceKey: 5 },
  { signal: 5 },
  { operation: 5 },
  { meter: 5 },
  { missCounter: 5 },
  { logger: 5 },
  { onOutcome: 5 },
])('refuses the override %o, whatever the default is', async (overrides) => {
  const [option] = Object.keys(overrides);
  const valid = {
    primary,
    replica: primary,
    pickReplica: () => undefined,
    transaction: primary,
    enabled: true,
    isMiss: noRow,
    isUnavailable: () => false,
    replicaTimeoutMs: 5,
    retryMs: 5,
    primaryBudget: createPrimaryBudget(),
    coalesceKey: 'key',
    signal: new AbortController().signal,
    operation: 'operation',
    logger: console,
    onOutcome: noop,
  };

  for (const defaults of [{ primary }, valid]) {
    const read = createReplicaFallback<object>(defaults)(neverRun, overrides as object);

    await expect(read).rejects.toMatchObject({ name: 'InvalidOptionError', option });
  }
});

test.for<[string, unknown]>([
  [
    'Expected `retryMs.min` to be at most `retryMs.max` (10), got 50.',
    { primary, retryMs: { min: 50, max: 10 } },
  ],
  [`Expected \`retryMs\` to be ${A_DELAY}, got NaN.`, { primary, retryMs: Number.NaN }],
  [
    `Expected \`retryMs.max\` to be ${A_DELAY}, got undefined.`,
    { primary, retryMs: { delays: 5 } },
  ],
  [
    'Expected `retryMs.settle` to be a function, got 5.',
    { primary, retryMs: { delays: () => [], settle: 5 } },
  ],
  [
    'Expected `enabled` to be a boolean, or a function that returns one, got "false".',
    { primary, enabled: 'false' },
  ],
  [`Expected \`retryMs.max\` to be ${A_DELAY}, got "50".`, { primary, retryMs: { max: '50' } }],
  ['Expected `primary` to be a database client, got undefined.', {}],
  ['Expected `options` to be an object, got undefined.', undefined],
  ['Expected `options` to be an object, got null.', null],
])('says: %s', async ([message, options]) => {
  const read = withReplicaFallback(async () => 1, options as never);

  await expect(read).rejects.toThrow(InvalidOptionError);
  await expect(read).rejects.toHaveProperty('message', message);
  expect(() => createReplicaFallback(options as never)).toThrow(message);
});

test('takes the largest delay that a timer can wait', () => {
  const largest = 2 ** 31 - 1;

  expect(() => createReplicaFallback({ primary, retryMs: largest })).not.toThrow();
  expect(() => {
    createReplicaFallback({ primary, retryMs: { min: largest, max: largest } });
  }).not.toThrow();
});

test('takes `undefined` for every option but `primary`', async () => {
  const replica = undefined;
  const pickReplica = undefined;
  const transaction = undefined;
  const telemetry = { operation: undefined, meter: undefined, missCounter: undefined };
  const observers = { logger: undefined, onOutcome: undefined };
  const rest = { enabled: undefined, isMiss: undefined, retryMs: undefined, signal: undefined };
  const bounds = { replicaTimeoutMs: undefined, primaryBudget: undefined, coalesceKey: undefined };
  const clients = { primary, replica, pickReplica, transaction };
  const options = { ...clients, ...rest, ...bounds, ...telemetry, ...observers };

  expect(await withReplicaFallback(async (db) => db, options)).toBe(primary);
});

test('takes a client that is a function with properties', async () => {
  const client = Object.assign(() => {}, { options: {} });

  expect(await withReplicaFallback(async (db) => db, { primary: client })).toBe(client);
});
