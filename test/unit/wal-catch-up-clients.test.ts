import { drizzle } from 'drizzle-orm/node-postgres';
import { InvalidOptionError, type PinnedQuery } from 'kysely-replica-fallback';
import {
  type PgPool,
  walCatchUp,
  type WalClient,
  walPosition,
} from 'kysely-replica-fallback/postgres';
import type { Pool } from 'pg';
import { describe, expect, test } from 'vitest';
import { walSource } from '../support/wal-source.ts';

const BEGIN = 'begin transaction isolation level read committed read only';
const lost = new Error('Connection terminated unexpectedly');

/** Drizzle gives more than the text. */
type Statement = string | { readonly text: string };

/** A pool of pg with one client, to a server that is played. */
class PlayedPool implements PgPool {
  readonly totalCount = 1;
  /** What was asked, and how the client was given back. */
  readonly asked: unknown[] = [];
  readonly listeners = new Set<() => void>();
  /** Called with each statement: to throw, as the server would. */
  onStatement: (sql: string) => void = () => {};

  async connect() {
    this.asked.push('connect');
    return {
      query: (sql: Statement) => this.query(sql),
      on: (event: string, listener: () => void) =>
        event === 'error' && this.listeners.add(listener),
      removeListener: (event: string, listener: () => void) =>
        event === 'error' && this.listeners.delete(listener),
      release: (error?: Error) => void this.asked.push(error ?? 'release'),
    };
  }

  async query(statement: Statement) {
    const sql = typeof statement === 'string' ? statement : statement.text;
    this.asked.push(sql);
    this.onStatement(sql);
    return { rows: [{ one: 'a text' }] };
  }
}

/** Runs a query on the replica, without a check. */
function run<Client extends WalClient, T>(
  replica: Client,
  query: PinnedQuery<Client, T>,
): Promise<T> {
  return walSource<Client>().runAt(replica, undefined, query);
}

/** A real client of Drizzle's. */
function drizzleOn(client: PlayedPool) {
  return drizzle({ client: client as never as Pool });
}

/** A pool whose server throws at a statement that begins so. */
function poolThrowing(error: unknown, ...starts: readonly string[]): PlayedPool {
  const pool = new PlayedPool();
  pool.onStatement = (sql) => {
    if (starts.some((start) => sql.startsWith(start))) throw error;
  };
  return pool;
}

describe('a client of a pool of pg', () => {
  test('is listened to while a query runs on it, and given back after a transaction', async () => {
    const pool = new PlayedPool();

    const listening = await run(pool, async (db) => {
      await db.query('select 1');
      return pool.listeners.size;
    });

    expect(listening).toBe(1);
    expect(pool.listeners.size).toBe(0);
    expect(pool.asked).toEqual(['connect', BEGIN, 'select 1', 'commit', 'release']);
  });

  test('is given back after a query that has failed', async () => {
    const pool = new PlayedPool();
    const error = new Error('The query failed.');

    await expect(run(pool, () => Promise.reject(error))).rejects.toBe(error);

    expect(pool.asked).toEqual(['connect', BEGIN, 'rollback', 'release']);
  });

  test('is closed when a transaction does not begin', async () => {
    const pool = poolThrowing(lost, 'begin');

    await expect(run(pool, (db) => db.query('select 1'))).rejects.toBe(lost);

    expect(pool.asked).toEqual(['connect', BEGIN, lost]);
    expect(pool.listeners.size).toBe(0);
  });

  test('is closed when nobody knows whether it was committed, and the answer counts', async () => {
    const pool = poolThrowing(lost, 'commit');

    await expect(run(pool, (db) => db.query('select 1'))).resolves.toEqual({
      rows: [{ one: 'a text' }],
    });

    expect(pool.asked).toEqual(['connect', BEGIN, 'select 1', 'commit', lost]);
  });

  test('is closed when it cannot be rolled back, and the error of the query counts', async () => {
    const error = new Error('The query failed.');
    const pool = poolThrowing(lost, 'rollback');

    await expect(run(pool, () => Promise.reject(error))).rejects.toBe(error);

    expect(pool.asked).toEqual(['connect', BEGIN, 'rollback', lost]);
  });

  test('is closed whatever was thrown', async () => {
    const pool = poolThrowing('a string', 'begin');

    await expect(run(pool, (db) => db.query('select 1'))).rejects.toBe('a string');

    expect(pool.asked.at(-1)).toMatchObject({
      message: 'The connection is broken.',
      cause: 'a string',
    });
  });

  test('is pinned without a transaction', async () => {
    const pool = new PlayedPool();
    const source = walSource<PlayedPool>({ pin: 'connection' });
    const error = new Error('The query failed.');

    await source.runAt(pool, undefined, (db) => db.query('select 1'));
    await expect(source.runAt(pool, undefined, () => Promise.reject(error))).rejects.toBe(error);

    expect(pool.asked).toEqual(['connect', 'select 1', 'release', 'connect', 'release']);
    expect(pool.listeners.size).toBe(0);
  });

  test('is closed when its server ends the connection under a query', async () => {
    const error = Object.assign(new Error('terminating connection'), { code: '57P01' });
    const pool = poolThrowing(error, 'select');
    const source = walSource<PlayedPool>({ pin: 'connection' });

    await expect(source.runAt(pool, undefined, (db) => db.query('select 1'))).rejects.toBe(error);

    expect(pool.asked).toEqual(['connect', 'select 1', error]);
    expect(pool.listeners.size).toBe(0);
  });
});

test('a pool that gives no client fails as it does', async () => {
  const pool = new PlayedPool();
  pool.connect = () => Promise.reject(lost);

  await expect(run(pool, (db) => db.query('select 1'))).rejects.toBe(lost);
});

describe('a client of Drizzle', () => {
  test('runs a query in a read-only transaction at READ COMMITTED', async () => {
    const pool = new PlayedPool();

    await run(drizzleOn(pool), async (db) => db.execute('select 1'));

    const begin = 'begin isolation level read committed read only';
    expect(pool.asked).toEqual(['connect', begin, 'select 1', 'commit', 'release']);
  });

  test('gives on what a query throws that cannot be rolled back', async () => {
    const error = new Error('The query failed.');
    const db = drizzleOn(poolThrowing(lost, 'rollback'));

    await expect(run(db, () => Promise.reject(error))).rejects.toBe(error);
  });

  test('gives the answer of a query that cannot be committed', async () => {
    const db = drizzleOn(poolThrowing(lost, 'commit'));

    await expect(run(db, async () => 'an answer')).resolves.toBe('an answer');
  });

  test('fails as the server does when a transaction does not begin', async () => {
    const db = drizzleOn(poolThrowing(lost, 'begin'));

    await expect(run(db, async () => 1)).rejects.toMatchObject({ cause: lost });
  });

  test('of a server that refuses to say what it has replayed is unknown', async () => {
    const refusal = Object.assign(new Error('not supported'), { code: '0A000' });
    const db = drizzleOn(poolThrowing(refusal, '\n  select'));

    const checked = walCatchUp().runAt(db, '0123456789ab-1', async () => 1);

    await expect(checked).rejects.toMatchObject({ name: 'ReplicaBehindError', reach: 'unknown' });
  });

  test('has no connection to pin', async () => {
    const pinned = walCatchUp({ pin: 'connection' }).runAt(
      drizzleOn(new PlayedPool()),
      '0123456789ab-1',
      async () => 1,
    );

    await expect(pinned).rejects.toThrow(InvalidOptionError);
    await expect(pinned).rejects.toMatchObject({
      option: 'pin',
      expected: "'transaction' for a client of Drizzle",
    });
  });
});

test('a position is what the client selects', async () => {
  const pool = new PlayedPool();
  const client = Object.assign(await pool.connect(), { setTypeParser() {} });
  const db = drizzleOn(pool);
  const transaction = { execute: db.execute.bind(db), select: db.select.bind(db) };

  for (const each of [pool, client, db, transaction]) {
    expect(await walPosition(each)).toBe('a text');
  }
});

const executes = { execute: async () => [], select() {}, transaction() {} };
const queries = { query: async () => [], connect() {} };

test.for<[string, unknown]>([
  ['a client of Drizzle on another driver', { ...executes, $client: () => {} }],
  ['a client of Drizzle on a single connection', { ...executes, $client: queries }],
  ['a transaction of Drizzle on another driver', executes],
  ['a pool that is not of pg', queries],
  ['a client that is not of pg', { query: async () => [] }],
  ['a client that does something else', { connect() {}, totalCount: 1 }],
  ['a function', () => {}],
  ['a string', 'postgres://localhost'],
  ['nothing', undefined],
])('%s is no client of a known shape', async ([, client]) => {
  const position = walPosition(client as never);
  const checked = walCatchUp().runAt(client as never, '0123456789ab-1', async () => 1);

  const replayed = walSource().replayed(client as never);

  const error = { name: 'InvalidOptionError', expected: expect.stringContaining('a pg.Pool') };
  await expect(position).rejects.toMatchObject({ ...error, option: 'primary' });
  await expect(checked).rejects.toMatchObject({ ...error, option: 'replica' });
  await expect(replayed).rejects.toMatchObject({ ...error, option: 'replica' });
});

test.for<[string, object]>([
  ['pg', Object.assign(await new PlayedPool().connect(), { setTypeParser() {} })],
  ['Kysely', { executeQuery: async () => ({ rows: [] }) }],
])('a connection of %s cannot be pinned again', async ([, client]) => {
  const checked = walCatchUp().runAt(client as never, '0123456789ab-1', async () => 1);

  await expect(checked).rejects.toMatchObject({ option: 'replica' });
});
