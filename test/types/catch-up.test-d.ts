import { drizzle } from 'drizzle-orm/node-postgres';
import { pgTable, text } from 'drizzle-orm/pg-core';
import { drizzle as drizzleOnPostgresJs } from 'drizzle-orm/postgres-js';
import knex from 'knex';
import type { Kysely, Transaction } from 'kysely';
import {
  type CatchUp,
  type CatchUpReport,
  createReplicaFallback,
  type ReplicaFallback,
  returned,
  withReplicaFallback,
} from 'kysely-replica-fallback';
import { createCatchUp, type PositionSource } from 'kysely-replica-fallback/catch-up';
import { type WalClient, walCatchUp, walPosition } from 'kysely-replica-fallback/postgres';
import { createSnapshotsSince, type SnapshotTables } from 'kysely-replica-fallback/snapshots';
import type { Client, Pool, PoolClient, QueryResult } from 'pg';
import postgres from 'postgres';
import type { DataSource } from 'typeorm';
import { expectTypeOf, test } from 'vitest';
import type { PrismaClient } from '../../examples/other-clients/prisma/client/client.ts';

interface Order {
  id: string;
  version: number;
}
interface Database {
  orders: Order;
}
declare const primary: Kysely<Database>;
declare const replica: Kysely<Database>;
declare const pool: Pool;

test('walCatchUp() fits Kysely, inline', () => {
  const order = withReplicaFallback(
    (db) => {
      expectTypeOf(db).toEqualTypeOf<Kysely<Database>>();
      return db.selectFrom('orders').selectAll().executeTakeFirst();
    },
    {
      primary,
      replica,
      catchUp: walCatchUp({ pin: 'connection' }),
      after: 'now',
      isMiss: returned((found) => {
        expectTypeOf(found).toEqualTypeOf<Order | undefined>();
        return found === undefined;
      }),
    },
  );
  expectTypeOf(order).toEqualTypeOf<Promise<Order | undefined>>();
});

test('walCatchUp() fits Kysely, and several databases of it, when it was declared before', () => {
  const catchUp = walCatchUp();
  expectTypeOf(catchUp).toEqualTypeOf<CatchUp<WalClient>>();

  const read = createReplicaFallback({ primary, replica: [replica, replica], catchUp });
  expectTypeOf(read).toEqualTypeOf<ReplicaFallback<Kysely<Database>>>();
  const order = read((db) => db.selectFrom('orders').selectAll().executeTakeFirst(), {
    after: undefined,
  });
  expectTypeOf(order).toEqualTypeOf<Promise<Order | undefined>>();

  const snapshots = {} as Kysely<SnapshotTables>;
  createSnapshotsSince({ primary: snapshots, replica: snapshots, catchUp, after: 'now' });
});

test('walCatchUp() fits a transaction of Kysely as `primary`', () => {
  const transaction = {} as Transaction<Database>;
  const order = withReplicaFallback((db) => db.selectFrom('orders').selectAll().execute(), {
    primary: transaction,
    catchUp: walCatchUp(),
  });
  expectTypeOf(order).toEqualTypeOf<Promise<Order[]>>();
});

test('walCatchUp() fits a pool of pg', () => {
  const read = createReplicaFallback({ primary: pool, replica: pool, catchUp: walCatchUp() });
  expectTypeOf(read).toEqualTypeOf<ReplicaFallback<Pool>>();
  const rows = read((db) => db.query<Order>('select * from orders'), { after: 'now' });
  expectTypeOf(rows).toEqualTypeOf<Promise<QueryResult<Order>>>();
});

test('walCatchUp() fits Drizzle on a pool of pg', () => {
  const db = drizzle({ client: pool });
  const read = createReplicaFallback({ primary: db, replica: [db, db], catchUp: walCatchUp() });
  expectTypeOf(read).toEqualTypeOf<ReplicaFallback<typeof db>>();
  const withSchema = drizzle({
    client: pool,
    schema: { orders: pgTable('orders', { id: text() }) },
  });
  createReplicaFallback({ primary: withSchema, replica: withSchema, catchUp: walCatchUp() });
});

test('walCatchUp() fits no other client', () => {
  const catchUp = walCatchUp();
  const sql = postgres();
  // @ts-expect-error postgres.js
  createReplicaFallback({ primary: sql, replica: sql, catchUp });
  const db = drizzleOnPostgresJs({ client: sql });
  // @ts-expect-error Drizzle on it
  createReplicaFallback({ primary: db, replica: db, catchUp });
  const prisma = {} as PrismaClient;
  // @ts-expect-error Prisma
  createReplicaFallback({ primary: prisma, replica: prisma, catchUp });
  const k = knex({});
  // @ts-expect-error knex
  createReplicaFallback({ primary: k, replica: k, catchUp });
  const source = {} as DataSource;
  // @ts-expect-error TypeORM
  createReplicaFallback({ primary: source, replica: source, catchUp });
  const client = {} as PoolClient;
  // @ts-expect-error a single client of pg
  createReplicaFallback({ primary: client, replica: client, catchUp });
});

test('a position comes from each of these, or from a transaction of it', () => {
  expectTypeOf(walPosition(primary)).toEqualTypeOf<Promise<string>>();
  void walPosition({} as Transaction<Database>);
  void walPosition(pool);
  void walPosition({} as PoolClient);
  void walPosition({} as Client);
  const db = drizzle({ client: pool });
  void walPosition(db);
  void db.transaction((transaction) => walPosition(transaction));
  // @ts-expect-error a connection string
  void walPosition('postgres://localhost');
  // @ts-expect-error postgres.js
  void walPosition(postgres());
  // @ts-expect-error TypeORM
  void walPosition({} as DataSource);
});

test('createCatchUp() fits the client that its source is for', () => {
  const source = {} as PositionSource<Pool>;
  const catchUp = createCatchUp(source);
  expectTypeOf(catchUp).toEqualTypeOf<CatchUp<Pool>>();
  void withReplicaFallback((db) => db.query('select 1'), {
    primary: pool,
    replica: pool,
    catchUp,
    after: 'now',
  });
  // @ts-expect-error Kysely is no pool
  void withReplicaFallback(async () => 1, { primary, replica, catchUp });
  const incomplete = {} as Omit<PositionSource<Pool>, 'compare'>;
  // @ts-expect-error without `compare`
  createCatchUp<Pool>(incomplete);
});

test('a position is a string', () => {
  const catchUp = walCatchUp();
  // @ts-expect-error a number
  void withReplicaFallback(async () => 1, { primary, replica, catchUp, after: 5 });
  // @ts-expect-error what a header may be
  void withReplicaFallback(async () => 1, { primary, replica, catchUp, after: ['a', 'b'] });
});

test('there are two ways to pin', () => {
  // @ts-expect-error there is no such one
  walCatchUp({ pin: 'session' });
  walCatchUp({ pin: undefined, pipeline: undefined });
});

test('a report tells how an informed wait ended', () => {
  void withReplicaFallback(async () => 1, {
    primary,
    onOutcome: ({ recovery }) => {
      expectTypeOf(recovery?.catchUp).toEqualTypeOf<CatchUpReport | undefined>();
    },
  });
});
