import {
  anyOf,
  attempted,
  type Attempt,
  type IsMiss,
  noRow,
  noRows,
  returned,
  thrown,
  withReplicaFallback,
} from 'kysely-replica-fallback';
import { recordReads } from 'kysely-replica-fallback/testing';
import { describe, expect, test, vi } from 'vitest';
import {
  AT_ONCE,
  gives,
  LADDER,
  scriptClients,
  scriptNthAttempt,
  throws,
} from '../support/scripted-clients.ts';

interface Order {
  readonly version: number;
}
const notFound = new RangeError('not found');

/** How a read ends that first gets a stale answer of the replica, and then what the primary has. */
async function outcomeOf<T>(stale: T, isMiss: IsMiss<T>, fresh: T = stale) {
  const { outcomes, onOutcome } = recordReads();
  await withReplicaFallback<{ readonly has: T }, T>(async (db) => db.has, {
    primary: { has: fresh },
    replica: { has: stale },
    isMiss,
    retryMs: AT_ONCE,
    onOutcome,
  });
  return outcomes[0];
}

describe('a plain function gets the value', () => {
  test('of a row by its id', async () => {
    expect(await outcomeOf<Order | undefined>(undefined, (order) => order === undefined)).toBe(
      'not_found',
    );
    expect(await outcomeOf<Order | undefined>(undefined, (order) => !order, { version: 1 })).toBe(
      'primary',
    );
    expect(await outcomeOf<Order | undefined>({ version: 1 }, (order) => !order)).toBe('replica');
  });

  test('of a list', async () => {
    expect(await outcomeOf<Order[]>([], (orders) => orders.length === 0, [{ version: 1 }])).toBe(
      'primary',
    );
  });

  test('of a count', async () => {
    expect(await outcomeOf(0, (count) => count === 0, 3)).toBe('primary');
    expect(await outcomeOf(0n, (count) => count === 0n, 3n)).toBe('primary');
    expect(await outcomeOf({ count: '0' }, ({ count }) => count === '0', { count: '3' })).toBe(
      'primary',
    );
  });

  test('of an `exists`', async () => {
    expect(await outcomeOf(false, (exists) => !exists, true)).toBe('primary');
    expect(await outcomeOf(true, (exists) => !exists)).toBe('replica');
  });

  test('inside `anyOf`, beside classifiers and alone', async () => {
    const isStale = (order: Order | undefined) => order !== undefined && order.version < 2;
    const fresh = { version: 2 };
    expect(await outcomeOf({ version: 1 }, anyOf(noRow, isStale), fresh)).toBe('primary');
    expect(await outcomeOf<Order | undefined>(undefined, anyOf(isStale, noRow), fresh)).toBe(
      'primary',
    );
    expect(await outcomeOf({ version: 1 }, anyOf(isStale, isStale), fresh)).toBe('primary');
    expect(await outcomeOf({ version: 1 }, anyOf(anyOf(isStale), noRow), fresh)).toBe('primary');
  });
});

test('a plain function is asked once about each value, and never about an error', async () => {
  const seen: unknown[] = [];
  const isMiss = (value: unknown) => {
    seen.push(value);
    return true;
  };
  const script = { replica: [gives(1), throws(notFound)] };
  const { query, asked, clients } = scriptClients(script);

  const read = withReplicaFallback(query, { ...clients, isMiss, retryMs: AT_ONCE });

  await expect(read).rejects.toBe(notFound);
  expect(asked).toEqual(LADDER.slice(0, 2));
  expect(seen).toEqual([1]);
});

test.for([
  { what: 'alone', of: (isOne: (attempt: Attempt<unknown>) => boolean) => attempted(isOne) },
  {
    what: 'in `anyOf`',
    of: (isOne: (attempt: Attempt<unknown>) => boolean) =>
      anyOf(thrown(TypeError), attempted(isOne)),
  },
])(
  '`attempted` $what sees each attempt: its value or its error, and who was asked',
  async ({ of }) => {
    const seen: Attempt<unknown>[] = [];
    const isMiss = of((attempt) => {
      seen.push(attempt);
      return true;
    });
    const script = { replica: [throws(notFound), gives(undefined)], primary: [gives(1)] };
    const { query, clients } = scriptClients(script);

    await withReplicaFallback(query, { ...clients, isMiss, retryMs: AT_ONCE });

    expect(seen).toEqual([
      { ok: false, error: notFound, source: 'replica' },
      { ok: true, value: undefined, source: 'replica_retry' },
      { ok: true, value: 1, source: 'primary' },
    ]);
  },
);

test('a classifier that another copy of the package made is not taken for a plain function', async () => {
  vi.resetModules();
  const copy = await import('kysely-replica-fallback');
  expect(copy.noRows).not.toBe(noRows);

  expect(await outcomeOf<number[]>([], copy.noRows, [1])).toBe('primary');
  expect(await outcomeOf<number[]>([], anyOf(copy.noRows, thrown(RangeError)), [1])).toBe(
    'primary',
  );
});

describe('of a plain function', () => {
  test('what it throws ends the read', async () => {
    const { query, asked, clients } = scriptClients(scriptNthAttempt(1, gives(undefined)));
    const broken = new Error('broken');
    const isMiss = () => {
      throw broken;
    };

    const read = withReplicaFallback(query, { ...clients, isMiss, retryMs: AT_ONCE });

    await expect(read).rejects.toBe(broken);
    expect(asked).toEqual(LADDER.slice(0, 1));
  });

  test.for([
    ['a promise', Promise.resolve(false)],
    ['a classifier that was not called', returned],
    ['a classifier', noRow],
  ])('%s is no answer', async ([, answer]) => {
    const { query, clients } = scriptClients(scriptNthAttempt(1, gives(1)));

    const read = withReplicaFallback(query, { ...clients, isMiss: () => answer as never });

    await expect(read).rejects.toMatchObject({ name: 'InvalidOptionError', option: 'isMiss' });
  });
});
