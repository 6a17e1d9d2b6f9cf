import { drizzle } from 'drizzle-orm/node-postgres';
import { pgTable, text } from 'drizzle-orm/pg-core';
import { noRows, withReplicaFallback } from 'kysely-replica-fallback';
import { Pool, type PoolClient, type QueryResult } from 'pg';
import { expectTypeOf, test } from 'vitest';

test('Drizzle fits, without `.execute()`', () => {
  const orders = pgTable('orders', { id: text().notNull() });
  const primary = drizzle(new Pool());
  const read = withReplicaFallback((db) => db.select().from(orders), {
    primary,
    replica: primary,
    isMiss: noRows,
  });
  expectTypeOf(read).toEqualTypeOf<Promise<{ id: string }[]>>();
  void primary.transaction((transaction) =>
    withReplicaFallback((db) => db.select().from(orders), { primary, transaction }),
  );
});

test('a pool of pg fits', () => {
  const primary = new Pool();
  const read = withReplicaFallback((pool) => pool.query<{ id: string }>('select id from orders'), {
    primary,
    replica: primary,
    isMiss: noRows,
  });
  expectTypeOf(read).toEqualTypeOf<Promise<QueryResult<{ id: string }>>>();
  const transaction = {} as PoolClient;
  void withReplicaFallback((db) => db.query('select 1'), { primary, transaction });
  const other = drizzle(primary);
  // @ts-expect-error the client of another kind
  void withReplicaFallback((db) => db.query('select 1'), { primary, transaction: other });
  // @ts-expect-error an object with nothing in it
  void withReplicaFallback((db) => db.query('select 1'), { primary, transaction: {} });
});

/** What Prisma generates: a promise of its own that is not started until somebody waits for it. */
interface PrismaPromise<T> extends Promise<T> {
  [Symbol.toStringTag]: 'PrismaPromise';
}
interface PrismaClient {
  readonly order: {
    findUnique(args: { where: { id: string } }): PrismaPromise<{ id: string } | null>;
  };
  $connect(): Promise<void>;
  $transaction<R>(
    run: (tx: Omit<PrismaClient, '$connect' | '$transaction'>) => Promise<R>,
  ): Promise<R>;
}

test('Prisma fits', () => {
  const primary = {} as PrismaClient;
  const read = withReplicaFallback((prisma) => prisma.order.findUnique({ where: { id: 'o1' } }), {
    primary,
    replica: primary,
  });
  expectTypeOf(read).toEqualTypeOf<Promise<{ id: string } | null>>();
  void primary.$transaction((transaction) =>
    withReplicaFallback((db) => db.order.findUnique({ where: { id: 'o1' } }), {
      primary,
      transaction,
    }),
  );
});

test('postgres.js fits, whose client is a function', () => {
  const primary = {} as (strings: TemplateStringsArray) => Promise<{ id: string }[]>;
  const read = withReplicaFallback((query) => query`select id from orders`, {
    primary,
    replica: primary,
    isMiss: noRows,
  });
  expectTypeOf(read).toEqualTypeOf<Promise<{ id: string }[]>>();
});
