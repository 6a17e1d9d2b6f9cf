import { drizzle } from 'drizzle-orm/node-postgres';
import { pgTable, text } from 'drizzle-orm/pg-core';
import { drizzle as drizzleOnPostgresJs } from 'drizzle-orm/postgres-js';
import knex from 'knex';
import { noRows, withReplicaFallback } from 'kysely-replica-fallback';
import { Pool, type PoolClient, type QueryResult } from 'pg';
import postgres from 'postgres';
import type { DataSource, EntitySchema } from 'typeorm';
import { expectTypeOf, test } from 'vitest';
import type { Order, PrismaClient } from '../../examples/other-clients/prisma/client/client.ts';

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

test('Prisma fits', () => {
  const primary = {} as PrismaClient;
  const read = withReplicaFallback((prisma) => prisma.order.findUnique({ where: { id: 'o1' } }), {
    primary,
    replica: primary,
  });
  expectTypeOf(read).toEqualTypeOf<Promise<Order | null>>();
  void primary.$transaction((transaction) =>
    withReplicaFallback((db) => db.order.findUnique({ where: { id: 'o1' } }), {
      primary,
      transaction,
    }),
  );
});

test('postgres.js fits, whose client is a function', () => {
  const primary = postgres();
  const read = withReplicaFallback((sql) => sql<{ id: string }[]>`select id from orders`, {
    primary,
    replica: primary,
    isMiss: noRows,
  });
  expectTypeOf(read).resolves.toExtend<{ id: string }[]>();
  void primary.begin((transaction) =>
    withReplicaFallback((sql) => sql`select id from orders`, { primary, transaction }),
  );
});

test('Drizzle on postgres.js fits', () => {
  const orders = pgTable('orders', { id: text().notNull() });
  const primary = drizzleOnPostgresJs({ client: postgres() });
  void primary.transaction((transaction) =>
    withReplicaFallback((db) => db.select().from(orders), { primary, transaction }),
  );
});

test('knex fits', () => {
  const primary = knex({});
  const read = withReplicaFallback(
    async (db) => db<{ id: string }>('orders').where({ id: 'o1' }).first(),
    { primary, replica: primary },
  );
  expectTypeOf(read).toEqualTypeOf<Promise<{ id: string } | undefined>>();
  void primary.transaction((transaction) =>
    withReplicaFallback(async (db) => db('orders').first(), { primary, transaction }),
  );
});

test('a manager of TypeORM fits', () => {
  const Order = {} as EntitySchema<{ id: string }>;
  const source = {} as DataSource;
  const primary = source.manager;
  const read = withReplicaFallback((manager) => manager.findOneBy(Order, { id: 'o1' }), {
    primary,
    replica: primary,
  });
  expectTypeOf(read).toEqualTypeOf<Promise<{ id: string } | null>>();
  void source.transaction((transaction) =>
    withReplicaFallback((manager) => manager.findBy(Order, {}), { primary, transaction }),
  );
});
