import {
  createReplicaFallback,
  InvalidOptionError,
  PrimaryBudgetExceededError,
  type ReplicaFallbackOptions,
  type RowKey,
  withReplicaFallbackByKey,
} from 'kysely-replica-fallback';
import { createCatchUp, createCausalSession } from 'kysely-replica-fallback/catch-up';
import { recordReads } from 'kysely-replica-fallback/testing';
import { describe, expect, test } from 'vitest';
import { AT_ONCE } from '../support/scripted-clients.ts';

interface Row {
  readonly id: number;
  readonly from: string;
}

/** A server that has the rows of some keys. */
interface Server {
  readonly name: string;
  readonly has: readonly number[];
}

const keyOf = (row: Row) => row.id;

/** Gives more than it was asked for. */
const findAll = async ({ name, has }: Server): Promise<Row[]> =>
  has.map((id) => ({ id, from: name }));

const findAllAndOther = async (db: Server): Promise<Row[]> => [
  ...(await findAll(db)),
  { id: 7, from: db.name },
];

const caughtUp = createCatchUp<object>({
  position: async () => '1',
  replayed: async () => '1',
  compare: () => 'reached',
  runAt: (replica, _position, query) => query(replica),
});

/** A primary and a replica that have the rows of some keys, and whom a read has asked for which. */
function servers(has: {
  readonly replica: readonly number[];
  readonly primary: readonly number[];
}) {
  const asked: (readonly [source: string, missing: readonly number[]])[] = [];
  const { reports, onOutcome } = recordReads();
  const options = {
    primary: { name: 'primary', has: has.primary },
    replica: { name: 'replica', has: has.replica },
    retryMs: AT_ONCE,
    onOutcome,
    keyOf,
  };
  const query = async (
    { name, has: ids }: Server,
    missing: readonly number[],
    { source }: { readonly source: string },
  ): Promise<Row[]> => {
    asked.push([source, missing]);
    return ids.filter((id) => missing.includes(id)).map((id) => ({ id, from: name }));
  };
  return { asked, reports, options, query };
}

test('asks only the replica when it has all rows', async () => {
  const { asked, reports, options, query } = servers({ replica: [1, 2, 3], primary: [1, 2, 3] });

  const rows = await withReplicaFallbackByKey([3, 1], query, options);

  expect(rows).toEqual([
    { id: 3, from: 'replica' },
    { id: 1, from: 'replica' },
  ]);
  expect(asked).toEqual([['replica', [3, 1]]]);
  expect(reports).toMatchObject([{ outcome: 'replica', attempts: 1 }]);
});

test('asks the retry and the primary only for what is still missing, and keeps the rest', async () => {
  const { asked, reports, options, query } = servers({ replica: [1], primary: [1, 2, 3] });
  const lagging = async (db: Server, missing: readonly number[], attempt: { source: string }) => {
    const rows = await query(db, missing, attempt);
    return attempt.source === 'replica_retry' ? [...rows, { id: 2, from: 'retry' }] : rows;
  };

  const rows = await withReplicaFallbackByKey([3, 2, 1], lagging, options);

  expect(rows).toEqual([
    { id: 3, from: 'primary' },
    { id: 2, from: 'retry' },
    { id: 1, from: 'replica' },
  ]);
  expect(asked).toEqual([
    ['replica', [3, 2, 1]],
    ['replica_retry', [3, 2]],
    ['primary', [3]],
  ]);
  expect(reports).toMatchObject([{ outcome: 'primary', recovery: { misses: 2 } }]);
});

test('leaves out a key that is nowhere', async () => {
  const { reports, options, query } = servers({ replica: [1], primary: [1] });

  expect(await withReplicaFallbackByKey([9, 1], query, options)).toEqual([
    { id: 1, from: 'replica' },
  ]);
  expect(reports).toMatchObject([{ outcome: 'not_found' }]);
});

test('asks nobody without keys', async () => {
  const { asked, reports, options, query } = servers({ replica: [], primary: [] });

  expect(await withReplicaFallbackByKey([], query, options)).toEqual([]);
  expect(asked).toEqual([]);
  expect(reports).toEqual([]);
});

test('gives one row for a key that stands there twice, and asks for it once', async () => {
  const { asked, options, query } = servers({ replica: [2], primary: [1, 2] });

  expect(await withReplicaFallbackByKey([1, 2, 1, 2], query, options)).toEqual([
    { id: 1, from: 'primary' },
    { id: 2, from: 'replica' },
  ]);
  expect(asked[0]).toEqual(['replica', [1, 2]]);
});

test("gives a key's first row, and leaves out rows that nobody asked for", async () => {
  const { options } = servers({ replica: [], primary: [] });
  const rows = [
    { id: 7, from: 'nobody' },
    { id: 1, from: 'first' },
    { id: 1, from: 'second' },
  ];

  expect(await withReplicaFallbackByKey([1], async () => rows, options)).toEqual([rows[1]]);
});

describe('keys that the database takes for equal, but not as text', () => {
  const { options } = servers({ replica: [], primary: [] });
  const written = { id: 'a0eebc99-9c0b-4ef8', from: 'any' };
  const asked = written.id.toUpperCase();
  const find = async (_: object, missing: readonly string[]) =>
    [written].filter(({ id }) => missing.some((key) => key.toLowerCase() === id));
  const byId = { ...options, keyOf: ({ id }: { id: string }) => id };

  test.for<[string, Partial<ReplicaFallbackOptions<Server, never>>]>([
    ['on every server', {}],
    ['in a bypass', { enabled: false }],
    ['on a replica that has all that the primary has', { catchUp: caughtUp }],
    ['after a position', { catchUp: caughtUp, after: '1' }],
  ])('are no empty list: %s', async ([, more]) => {
    const read = withReplicaFallbackByKey([asked, 'nowhere'], find, { ...byId, ...more });

    const error: unknown = await read.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InvalidOptionError);
    expect(error).toMatchObject({
      option: 'keyOf',
      message:
        'Expected `keyOf` to be a function that returns keys as they were given, in the same letter case and form, got other keys.',
    });
    expect(String(Object(error).given)).not.toContain(written.id);
  });

  test('are no list that lacks them', async () => {
    const other = { id: 'b', from: 'any' };
    const both = async (db: object, missing: readonly string[]) => [
      ...(await find(db, missing)),
      other,
    ];

    const read = withReplicaFallbackByKey(['b', asked], both, byId);

    await expect(read).rejects.toMatchObject({ option: 'keyOf' });
  });

  test('end the read with the outcome `error`', async () => {
    const { reports, onOutcome } = recordReads();

    await withReplicaFallbackByKey([asked], find, { ...byId, onOutcome }).catch(() => {});

    expect(reports).toMatchObject([{ outcome: 'error', error: { option: 'keyOf' } }]);
  });
});

test('leaves out rows that nobody asked for while the replica lacks some that were', async () => {
  const { options } = servers({ replica: [], primary: [1, 2] });

  const rows = await withReplicaFallbackByKey([2, 1], findAllAndOther, options);

  expect(rows.map(keyOf)).toEqual([2, 1]);
});

test('leaves out a key that is nowhere when the query asks for found keys, too', async () => {
  const { options } = servers({ replica: [1], primary: [1, 2] });

  const rows = await withReplicaFallbackByKey([2, 1, 9], findAll, options);

  expect(rows.map(keyOf)).toEqual([2, 1]);
});

test('keeps the rows of 10,000 keys apart, in their order', async () => {
  const keys = Array.from({ length: 10_000 }, (_, index) => (index * 7) % 10_000);
  const { asked, options } = servers({ replica: [], primary: [] });
  const query = async (_: Server, missing: readonly number[], { source }: { source: string }) => {
    asked.push([source, missing]);
    const there = missing.filter((id) => source === 'primary' || id % 100 > 0);
    return there.toReversed().map((id) => ({ id, from: source }));
  };

  const rows = await withReplicaFallbackByKey(keys, query, options);

  expect(rows.map(keyOf)).toEqual(keys);
  expect(rows.filter(({ from }) => from === 'primary')).toHaveLength(100);
  expect(asked.map(([source, { length }]) => [source, length])).toEqual([
    ['replica', 10_000],
    ['replica_retry', 100],
    ['primary', 100],
  ]);
});

test('asks once for the key of each row that comes', async () => {
  const { options, query } = servers({ replica: [1, 2], primary: [1, 2, 3] });
  const given: number[] = [];
  const noting = ({ id }: Row) => {
    given.push(id);
    return id;
  };

  await withReplicaFallbackByKey([1, 2, 3], query, { ...options, keyOf: noting });

  expect(given).toEqual([1, 2, 3]);
});

test('gives in a bypass what the primary has, in the order of the keys', async () => {
  const { asked, options, query } = servers({ replica: [], primary: [1, 2] });

  const rows = await withReplicaFallbackByKey([2, 9, 1], query, { ...options, enabled: false });

  expect(rows.map(keyOf)).toEqual([2, 1]);
  expect(asked).toEqual([['primary', [2, 9, 1]]]);
});

test('does not take the rows of an attempt that was too late', async () => {
  const { options } = servers({ replica: [], primary: [] });
  const late = Promise.withResolvers<Row[]>();
  const query = async (_: Server, __: readonly number[], { source }: { source: string }) => {
    if (source === 'replica') return late.promise;
    late.resolve([{ id: 1, from: 'too late' }]);
    await late.promise;
    return [{ id: 1, from: source }];
  };

  expect(await withReplicaFallbackByKey([1], query, { ...options, replicaTimeoutMs: 1 })).toEqual([
    { id: 1, from: 'primary' },
  ]);
});

test('rejects, as every read does, when the budget has no spill left', async () => {
  const { options, query } = servers({ replica: [1], primary: [1, 2] });
  const primaryBudget = { deposit() {}, withdraw: () => false };

  await expect(
    withReplicaFallbackByKey([1, 2], query, { ...options, primaryBudget }),
  ).rejects.toBeInstanceOf(PrimaryBudgetExceededError);
});

test('rejects with what the query and `keyOf` throw, the same object', async () => {
  const { options, query } = servers({ replica: [1], primary: [1] });
  const error = new Error('thrown');
  const fails = (): Promise<Row[]> => Promise.reject(error);
  const throws = () => {
    throw error;
  };

  await expect(withReplicaFallbackByKey([1], fails, options)).rejects.toBe(error);
  await expect(withReplicaFallbackByKey([1], query, { ...options, keyOf: throws })).rejects.toBe(
    error,
  );
});

test.for([
  { type: 'strings', keys: ['a', 'b'] },
  { type: 'numbers', keys: [1, 2] },
  { type: 'bigints', keys: [1n, 2n] },
])('takes keys that are $type', async ({ keys }) => {
  const read = withReplicaFallbackByKey<object, string | number | bigint, { id: RowKey }>(
    keys,
    async (_, missing) => missing.map((id) => ({ id })),
    { primary: {}, replica: {}, keyOf: (row) => row.id },
  );

  expect(await read).toEqual(keys.map((id) => ({ id })));
});

describe('with the defaults of a service', () => {
  test('asks only for what is missing, and a default classifier does not count', async () => {
    const { asked, options, query } = servers({ replica: [1], primary: [1, 2] });
    const { keyOf: key, ...defaults } = options;
    const read = createReplicaFallback({ ...defaults, isMiss: () => true });

    expect(await read.byKey([1, 2], query, { keyOf: key })).toEqual([
      { id: 1, from: 'replica' },
      { id: 2, from: 'primary' },
    ]);
    expect(asked).toEqual([
      ['replica', [1, 2]],
      ['replica_retry', [2]],
      ['primary', [2]],
    ]);
  });

  test('an override replaces the default', async () => {
    const { asked, options, query } = servers({ replica: [], primary: [1] });
    const { keyOf: key, ...defaults } = options;
    const read = createReplicaFallback(defaults);

    await read.byKey([1], query, { keyOf: key, enabled: false });
    expect(asked).toEqual([['primary', [1]]]);
  });
});

test('a session learns from reads by keys', async () => {
  const { options, query } = servers({ replica: [1], primary: [1] });
  const { keyOf: key, ...defaults } = options;
  const session = createCausalSession(createReplicaFallback({ ...defaults, catchUp: caughtUp }));

  expect(await session.byKey([1], query, { keyOf: key })).toEqual([{ id: 1, from: 'replica' }]);
  expect(await session.position()).toBe('1');
});

describe('rejects', () => {
  const { options, query } = servers({ replica: [1], primary: [1] });
  const of = (changes: object) => ({ keys: [1], query, options, ...changes });

  test.for<[string, object, message: string]>([
    ['keys that are no array', { keys: 'ids' }, 'Expected `keys` to be an array, got a string.'],
    [
      'keys of two types',
      { keys: [1, '1'] },
      'Expected `keys` to be all strings, all numbers or all bigints, got an array of length 2.',
    ],
    [
      'a key that is an object',
      { keys: [{}] },
      'Expected `keys` to be all strings, all numbers or all bigints, got an array of length 1.',
    ],
    [
      'an array with a hole',
      { keys: Array(1) },
      'Expected `keys` to be all strings, all numbers or all bigints, got an array of length 1.',
    ],
    [
      'a query that is no function',
      { query: {} },
      'Expected `query` to be a function, got an instance of Object.',
    ],
    [
      'options that are no object',
      { options: undefined },
      'Expected `options` to be an object, got undefined.',
    ],
    [
      'no `keyOf`',
      { options: { ...options, keyOf: undefined } },
      'Expected `keyOf` to be a function, got undefined.',
    ],
    [
      '`isMiss`',
      { options: { ...options, isMiss: () => true } },
      'Expected `isMiss` to be left out of a read by keys, got the function isMiss.',
    ],
    [
      '`coalesceKey`',
      { options: { ...options, coalesceKey: 'key', operation: 'x' } },
      'Expected `coalesceKey` to be left out of a read by keys, got a string.',
    ],
    [
      'a query that gives no array',
      { query: async () => ({}) },
      'Expected `query` to be a function that resolves with an array of rows, got an instance of Object.',
    ],
    [
      'a `keyOf` that gives keys of another type',
      { options: { ...options, keyOf: (row: Row) => String(row.id) } },
      'Expected `keyOf` to be a function that returns a number, got "1".',
    ],
    [
      'bad options of every read',
      { options: { ...options, retryMs: -1 } },
      'Expected `retryMs` to be a number of milliseconds from 0 to 2147483647, got -1.',
    ],
    [
      'bad options without keys',
      { keys: [], options: { ...options, retryMs: -1 } },
      'Expected `retryMs` to be a number of milliseconds from 0 to 2147483647, got -1.',
    ],
  ])('%s', async ([, changes, message]) => {
    const given = of(changes);
    const read = withReplicaFallbackByKey<Server, RowKey, Row>(
      given.keys,
      given.query as never,
      given.options,
    );

    const error: unknown = await read.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InvalidOptionError);
    expect(error).toHaveProperty('message', message);
  });
});
