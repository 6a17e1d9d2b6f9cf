import { InvalidOptionError, NotPrimaryError } from 'kysely-replica-fallback';
import { type KyselyClient, walPosition } from 'kysely-replica-fallback/postgres';
import { CompiledQuery } from 'kysely';
import { describe, expect, test } from 'vitest';
import { scriptedPostgres } from '../support/scripted-postgres.ts';
import { walSource } from '../support/wal-source.ts';

const POSITION = '0123456789ab-3000148';
const BEGIN = 'start transaction isolation level read committed read only';
const IN_TRANSACTION = {
  name: 'InvalidOptionError',
  option: 'primary',
  message:
    'Expected `primary` to be a client outside of a transaction, because a position counts from the commit on, ' +
    'got one that is in a transaction.',
};

/** What PostgreSQL throws. */
function serverError(code: string, message = '…'): Error {
  return Object.assign(new Error(message), { code });
}

const query = (db: KyselyClient) => db.executeQuery(CompiledQuery.raw('select 1') as never);

describe('a position', () => {
  test('of a catch-up is that of `walPosition`', async () => {
    const { db, asked } = scriptedPostgres<object>(() => [{ position: POSITION }]);

    for (const asynchronousCommits of [false, true]) {
      expect(await walSource({ asynchronousCommits }).position(db)).toBe(POSITION);
      const [sql] = asked.slice(-2);
      await walPosition(db, { asynchronousCommits });
      expect(asked.slice(-2)).toEqual([sql, 'release']);
    }
  });

  test('is not asked for in a transaction of Kysely', async () => {
    const { db, asked } = scriptedPostgres<object>(() => [{ position: POSITION }]);

    await db.transaction().execute(async (trx) => {
      await expect(walPosition(trx)).rejects.toBeInstanceOf(InvalidOptionError);
      await expect(walPosition(trx)).rejects.toMatchObject({ ...IN_TRANSACTION, given: trx });
    });

    expect(asked).toEqual(['begin', 'commit', 'release']);
  });

  test('is none in a transaction that has written, which the server alone can tell', async () => {
    const { db } = scriptedPostgres<object>((sql) => {
      // What it says instead is in the statement.
      const [, instead] =
        /when pg_current_xact_id_if_assigned\(\) is not null then '(.+?)'/.exec(sql) ?? [];
      return [{ position: instead }];
    });

    await expect(walPosition(db)).rejects.toMatchObject({ ...IN_TRANSACTION, given: db });
  });

  test('of a standby is refused', async () => {
    const { db } = scriptedPostgres<object>(() => {
      throw serverError('55000', 'recovery is in progress');
    });

    await expect(walPosition(db)).rejects.toBeInstanceOf(NotPrimaryError);
  });

  test.for([serverError('57P01'), serverError('42501'), new Error('no code')])(
    'fails as the server does with %o',
    async (error) => {
      const { db } = scriptedPostgres<object>(() => {
        throw error;
      });

      await expect(walPosition(db)).rejects.toBe(error);
    },
  );
});

describe('a read that needs the primary', () => {
  test('checks it and asks it in one transaction', async () => {
    const { db, asked } = serverThatSays('false');

    expect(await walSource().runOnPrimary?.(db, query)).toMatchObject({ rows: [{ one: 1 }] });

    const check = expect.stringContaining('pg_is_in_recovery()') as string;
    expect(asked).toEqual([BEGIN, check, 'select 1', 'commit', 'release']);
  });

  test.for([{ pipeline: false }, { pipeline: true }])(
    'checks it before it asks it, on one connection, with %o',
    async (options) => {
      const { db, asked } = serverThatSays('false');

      await walSource({ pin: 'connection', ...options }).runOnPrimary?.(db, query);

      const check = expect.stringContaining('pg_is_in_recovery()') as string;
      expect(asked).toEqual([check, 'select 1', 'release']);
    },
  );

  test.for(['true', null])('does not ask a server that says %j', async (isInRecovery) => {
    const { db, asked } = serverThatSays(isInRecovery);

    await expect(walSource().runOnPrimary?.(db, query)).rejects.toBeInstanceOf(NotPrimaryError);

    expect(asked).not.toContain('select 1');
  });

  test.for<[string, object]>([
    ['that it does not know', {}],
    ['whose connection does not answer like one of pg', poolThatAnswers({})],
  ])('names the option of a client %s', async ([, client]) => {
    const run = walSource().runOnPrimary?.(client as never, query);

    await expect(run).rejects.toMatchObject({ name: 'InvalidOptionError', option: 'primary' });
  });
});

/** A server that is asked whether it is a standby. */
function serverThatSays(isInRecovery: unknown) {
  return scriptedPostgres<object>((sql) => {
    if (sql.includes('pg_is_in_recovery()')) return [{ text: isInRecovery }];
    return sql === 'select 1' ? [{ one: 1 }] : [];
  });
}

/** It has the shape of a `pg.Pool`. */
function poolThatAnswers(answer: object): object {
  const one = { query: async () => answer };
  const client = { ...one, on() {}, removeListener() {}, release() {} };
  return { ...one, connect: async () => client, totalCount: 1 };
}
