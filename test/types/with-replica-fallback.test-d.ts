import { drizzle } from 'drizzle-orm/node-postgres';
import { pgTable, text } from 'drizzle-orm/pg-core';
import { type Generated, Kysely, PostgresDialect, sql, type Transaction } from 'kysely';
import {
  anyOf,
  createReplicaFallback,
  type MissClassifier,
  noRow,
  noRows,
  returned,
  thrown,
  withReplicaFallback,
} from 'kysely-replica-fallback';
import { Pool } from 'pg';
import { describe, expectTypeOf, test } from 'vitest';

interface Database {
  orders: { id: Generated<string>; status: 'draft' | 'paid'; version: number };
}
type Order = { id: string; status: 'draft' | 'paid'; version: number };

const primary = new Kysely<Database>({ dialect: new PostgresDialect({ pool: new Pool() }) });
const replica = primary;

describe('kysely', () => {
  test('infers client and row from a callback', () => {
    expectTypeOf(
      withReplicaFallback(
        (db) => {
          expectTypeOf(db).toEqualTypeOf<Kysely<Database>>();
          return db.selectFrom('orders').selectAll().executeTakeFirst();
        },
        { primary, replica },
      ),
    ).resolves.toEqualTypeOf<Order | undefined>();
  });

  test('infers the row of `executeTakeFirstOrThrow`', () => {
    expectTypeOf(
      withReplicaFallback((db) => db.selectFrom('orders').selectAll().executeTakeFirstOrThrow(), {
        primary,
        replica,
        isMiss: returned((order) => order.version < 3),
      }),
    ).resolves.toEqualTypeOf<Order>();
  });

  test('infers rows, with classifiers that see their type', () => {
    expectTypeOf(
      withReplicaFallback((db) => db.selectFrom('orders').select('id').execute(), {
        primary,
        replica,
        isMiss: anyOf(
          noRows,
          returned((orders) => orders.length < 2),
          thrown(RangeError),
          thrown((error) => error === 1),
        ),
      }),
    ).resolves.toEqualTypeOf<{ id: string }[]>();
    void withReplicaFallback((db) => db.selectFrom('orders').select('id').execute(), {
      primary,
      replica,
      isMiss: (attempt) => attempt.ok && attempt.value[0]?.id === undefined,
    });
  });

  test('infers raw `sql`', () => {
    expectTypeOf(
      withReplicaFallback((db) => sql<{ n: number }>`select 1 as n`.execute(db), {
        primary,
        replica,
        isMiss: noRows,
      }).then((result) => result.rows),
    ).resolves.toEqualTypeOf<{ n: number }[]>();
  });

  test('takes a transaction', () => {
    const trx = {} as Transaction<Database>;
    expectTypeOf(
      withReplicaFallback((db) => db.selectFrom('orders').select('id').executeTakeFirst(), {
        primary,
        replica,
        transaction: trx,
      }),
    ).resolves.toEqualTypeOf<{ id: string } | undefined>();
  });

  test('tells the query its source and signal', () => {
    void withReplicaFallback(
      (db, { source, signal }) => {
        expectTypeOf(source).toEqualTypeOf<'replica' | 'replica_retry' | 'primary'>();
        return db.selectFrom('orders').selectAll().executeTakeFirst({ signal });
      },
      { primary },
    );
  });
});

describe('bound defaults', () => {
  const read = createReplicaFallback({ primary, replica, isMiss: anyOf(noRow, thrown(Error)) });
  test('infer like single reads', () => {
    expectTypeOf(
      read((db) => db.selectFrom('orders').selectAll().executeTakeFirst(), {
        isMiss: returned((order) => order === undefined || order.version < 3),
        operation: 'order',
      }),
    ).resolves.toEqualTypeOf<Order | undefined>();
  });
});

describe('misuse', () => {
  test('a builder that was not executed does not compile', () => {
    // @ts-expect-error a builder is not a promise
    void withReplicaFallback((db) => db.selectFrom('orders').selectAll(), { primary });
  });
  test('others', () => {
    // @ts-expect-error no primary
    void withReplicaFallback((db) => Promise.resolve(1), { replica });
    // @ts-expect-error a replica of another schema
    void withReplicaFallback((db) => Promise.resolve(1), { primary, replica: {} as Kysely<{}> });
    // @ts-expect-error typo
    void withReplicaFallback((db) => Promise.resolve(1), { primary, retryMS: 3 });
    const order = (): MissClassifier<Order> => () => true;
    // @ts-expect-error a classifier of another type
    void withReplicaFallback((db) => Promise.resolve('x'), { primary, isMiss: order() });
    // @ts-expect-error async
    void withReplicaFallback((db) => Promise.resolve('x'), { primary, isMiss: async () => true });
  });
});

test('drizzle', () => {
  const table = pgTable('orders', { id: text().notNull() });
  const db = drizzle(new Pool());
  expectTypeOf(
    withReplicaFallback((client) => client.select().from(table), { primary: db, replica: db }),
  ).resolves.toEqualTypeOf<{ id: string }[]>();
});
