import { drizzle } from 'drizzle-orm/node-postgres';
import type { WalClient } from 'kysely-replica-fallback/postgres';
import { Pool } from 'pg';
import { expect, test } from 'vitest';
import { ScriptedStandby } from '../support/scripted-standby.ts';
import { walSource } from '../support/wal-source.ts';

/** What a catch-up keeps what it knows of a database by. */
function databaseOf(client: unknown): object | undefined {
  return walSource<WalClient>().databaseOf?.(client as WalClient);
}

test('what a catch-up knows of a database is shared by all that Kysely makes of a client', () => {
  const [{ db }, other] = [new ScriptedStandby(), new ScriptedStandby()];
  const database = databaseOf(db);

  expect(database).toBeTypeOf('object');
  expect(databaseOf(db.withSchema('tenant'))).toBe(database);
  expect(databaseOf(db.withoutPlugins())).toBe(database);
  expect(databaseOf(other.db)).not.toBe(database);
});

test('it is shared by a pool of pg and all clients of Drizzle on it', () => {
  const [pool, other] = [new Pool(), new Pool()];
  const database = databaseOf(pool);

  expect(database).toBeTypeOf('object');
  expect(databaseOf(drizzle({ client: pool }))).toBe(database);
  expect(databaseOf(drizzle({ client: pool }))).toBe(database);
  expect(databaseOf(drizzle({ client: other }))).not.toBe(database);
});

test('a client of an unknown shape has no database, and the query will say so', () => {
  expect(databaseOf({})).toBeUndefined();
});

test('a client of a dialect that does not tell its adapter is a database of its own', () => {
  const { db } = new ScriptedStandby();
  const client = {
    executeQuery: async () => ({ rows: [] }),
    getExecutor: () => ({}),
    connection: () => db.connection(),
    transaction: () => db.transaction(),
  };

  expect(databaseOf(client)).toBe(client);
});
