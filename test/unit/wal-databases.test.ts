import { drizzle } from 'drizzle-orm/node-postgres';
import type { WalClient } from 'kysely-replica-fallback/postgres';
import { Pool } from 'pg';
import { describe, expect, test } from 'vitest';
import { ScriptedStandby } from '../support/scripted-standby.ts';
import { walSource } from '../support/wal-source.ts';

/** What a catch-up keeps what it knows of a database by. */
function databaseOf(client: unknown, asynchronousCommits = false): object | undefined {
  return walSource<WalClient>({ asynchronousCommits }).databaseOf?.(client as WalClient);
}

describe.for([false, true])('with `asynchronousCommits: %o`', (asynchronousCommits) => {
  test('what a catch-up knows of a database is shared by all that Kysely makes of a client', () => {
    const [{ db }, other] = [new ScriptedStandby(), new ScriptedStandby()];
    const database = databaseOf(db, asynchronousCommits);

    expect(database).toBeTypeOf('object');
    expect(databaseOf(db.withSchema('tenant'), asynchronousCommits)).toBe(database);
    expect(databaseOf(db.withoutPlugins(), asynchronousCommits)).toBe(database);
    expect(databaseOf(other.db, asynchronousCommits)).not.toBe(database);
  });

  test('it is shared by a pool of pg and all clients of Drizzle on it', () => {
    const [pool, other] = [new Pool(), new Pool()];
    const database = databaseOf(pool, asynchronousCommits);

    expect(database).toBeTypeOf('object');
    expect(databaseOf(drizzle({ client: pool }), asynchronousCommits)).toBe(database);
    expect(databaseOf(drizzle({ client: pool }), asynchronousCommits)).toBe(database);
    expect(databaseOf(drizzle({ client: other }), asynchronousCommits)).not.toBe(database);
  });
});

test('it is kept apart of reads that do not know of asynchronous commits', () => {
  const { db } = new ScriptedStandby();

  expect(databaseOf(db, true)).not.toBe(databaseOf(db));
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
