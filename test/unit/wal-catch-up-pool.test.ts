import type { PinnedQuery } from 'kysely-replica-fallback';
import type { PgPool } from 'kysely-replica-fallback/postgres';
import { describe, expect, test } from 'vitest';
import { walSource } from '../support/wal-source.ts';

const BEGIN = 'begin transaction isolation level read committed read only';
const lost = new Error('Connection terminated unexpectedly');

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
      query: (sql: string) => this.query(sql),
      on: (_event: 'error', listener: () => void) => this.listeners.add(listener),
      removeListener: (_event: 'error', listener: () => void) => this.listeners.delete(listener),
      release: (error?: Error) => void this.asked.push(error ?? 'release'),
    };
  }

  async query(sql: string) {
    this.asked.push(sql);
    this.onStatement(sql);
    return { rows: [{ one: 1 }] };
  }
}

/** Runs a query on the replica, without a check. */
function run<T>(pool: PgPool, query: PinnedQuery<PgPool, T>): Promise<T> {
  return walSource<PgPool>().runAt(pool, undefined, query);
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

    await expect(run(pool, (db) => db.query('select 1'))).resolves.toEqual({ rows: [{ one: 1 }] });

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

    expect(pool.asked.at(-1)).toMatchObject({ cause: 'a string' });
  });
});

test('a pool that gives no client fails as it does', async () => {
  const pool = new PlayedPool();
  pool.connect = () => Promise.reject(lost);

  await expect(run(pool, (db) => db.query('select 1'))).rejects.toBe(lost);
});
