import { InvalidOptionError } from 'kysely-replica-fallback';
import type { Kysely } from 'kysely';
import { describe, expect, test } from 'vitest';
import { scriptedPostgres } from '../support/scripted-postgres.ts';
import { walSource } from '../support/wal-source.ts';

type Query = (db: Kysely<object>) => Promise<unknown>;

/** What an attempt in the transaction of a check is rejected with. */
function rejection(query: Query): Promise<unknown> {
  const { db } = scriptedPostgres<object>(() => []);
  return walSource<Kysely<object>>()
    .runAt(db, undefined, query)
    .catch((error: unknown) => error);
}

function throwing(error: unknown): Query {
  return async () => {
    throw error;
  };
}

describe('in the transaction of a check, the error says to pin a connection', () => {
  test.for<[string, Query]>([
    ['transaction', (db) => db.transaction().execute(async () => 1)],
    ['controlled transaction', (db) => db.startTransaction().execute()],
    ['connection', (db) => db.connection().execute(async () => 1)],
  ])('of a query that starts a %s', async ([what, query]) => {
    const error = await rejection(query);

    expect(error).toBeInstanceOf(InvalidOptionError);
    const said = `calling the ${what} method for a Transaction is not supported`;
    expect(error).toMatchObject({
      option: 'catchUp',
      given: 'transaction',
      message:
        "Expected `catchUp` to be one with `pin: 'connection'`, because the query starts a transaction of its own, " +
        `got 'transaction', which is the default: ${said}.`,
      cause: { message: said },
    });
  });

  test('of a query that goes on after an error, which is the cause', async () => {
    const said = 'current transaction is aborted, commands ignored until end of transaction block';
    const cause = Object.assign(new Error(said), { code: '25P02' });

    const error = await rejection(throwing(cause));

    expect(error).toBeInstanceOf(InvalidOptionError);
    expect(error).toMatchObject({
      option: 'catchUp',
      message:
        "Expected `catchUp` to be one with `pin: 'connection'`, because the query goes on after an error, " +
        `got 'transaction', which is the default: ${said}.`,
    });
    expect((error as Error).cause).toBe(cause);
  });
});

const NOT_SUPPORTED = 'calling the transaction method for a Transaction is not supported';

test.for<[string, unknown]>([
  ['an error without a code', new Error('mine')],
  ['an error with another code', Object.assign(new Error('mine'), { code: 'P0001' })],
  ['one that has the message of Kysely in its own', new Error(`It says: ${NOT_SUPPORTED}`)],
  ['one that begins with the message of Kysely', new Error(`${NOT_SUPPORTED}, it says`)],
  ['an object that is no error', { code: '25P02' }],
  ['a string', NOT_SUPPORTED],
  ['null', null],
  ['nothing', undefined],
])('in the transaction of a check, %s comes out as it is', async ([, thrown]) => {
  expect(await rejection(throwing(thrown))).toBe(thrown);
});

test('on a connection, every error comes out as it is', async () => {
  const { db } = scriptedPostgres<object>(() => []);
  const error = Object.assign(new Error('…'), { code: '25P02' });

  const run = walSource<Kysely<object>>({ pin: 'connection' }).runAt(
    db,
    undefined,
    throwing(error),
  );

  await expect(run).rejects.toBe(error);
});
