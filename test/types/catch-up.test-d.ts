import { drizzle } from 'drizzle-orm/node-postgres';
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
import { type KyselyClient, walCatchUp, walPosition } from 'kysely-replica-fallback/postgres';
import { createSnapshotsSince, type SnapshotTables } from 'kysely-replica-fallback/snapshots';
import type { Pool } from 'pg';
import { expectTypeOf, test } from 'vitest';

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
  expectTypeOf(catchUp).toEqualTypeOf<CatchUp<KyselyClient>>();

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

test('walCatchUp() fits no other client', () => {
  // @ts-expect-error a pool of pg has no queries of Kysely's
  void withReplicaFallback(async () => 1, { primary: pool, replica: pool, catchUp: walCatchUp() });
  const db = drizzle({ client: pool });
  // @ts-expect-error nor has Drizzle
  void withReplicaFallback(async () => 1, { primary: db, replica: db, catchUp: walCatchUp() });
});

test('a position comes from a client of Kysely, or from a transaction of it', () => {
  expectTypeOf(walPosition(primary)).toEqualTypeOf<Promise<string>>();
  void walPosition({} as Transaction<Database>);
  // @ts-expect-error a pool of pg
  void walPosition(pool);
  // @ts-expect-error a connection string
  void walPosition('postgres://localhost');
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
