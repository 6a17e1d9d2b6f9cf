import { Kysely, PostgresDialect, sql, type Transaction } from 'kysely';
import {
  anyOf,
  type Attempt,
  type AttemptContext,
  attempted,
  type MissClassifier,
  type MissTest,
  noRow,
  noRows,
  returned,
  thrown,
  type TransactionOf,
  withReplicaFallback,
} from 'kysely-replica-fallback';
import { Pool } from 'pg';
import { expectTypeOf, test } from 'vitest';
import { createLogger } from 'winston';

interface Order {
  id: string;
  status: 'draft' | 'paid';
  version: number;
}
interface Database {
  orders: Order;
}
const primary = new Kysely<Database>({ dialect: new PostgresDialect({ pool: new Pool() }) });
const replica = primary;

test('the query gets the client that `primary` is', () => {
  void withReplicaFallback(
    (db) => {
      expectTypeOf(db).toEqualTypeOf<Kysely<Database>>();
      return db.selectFrom('orders').selectAll().executeTakeFirst();
    },
    { primary, replica },
  );
});

test('the query is told its attempt', () => {
  void withReplicaFallback(
    (db, attempt) => {
      expectTypeOf(attempt).toEqualTypeOf<AttemptContext>();
      expectTypeOf(attempt.source).toEqualTypeOf<'replica' | 'replica_retry' | 'primary'>();
      expectTypeOf(attempt.signal).toEqualTypeOf<AbortSignal | undefined>();
      return db.selectFrom('orders').selectAll().executeTakeFirst({ signal: attempt.signal });
    },
    { primary },
  );
});

test('the result is a row or `undefined` from `executeTakeFirst`', () => {
  const read = withReplicaFallback((db) => db.selectFrom('orders').selectAll().executeTakeFirst(), {
    primary,
    replica,
    isMiss: noRow,
    retryMs: { min: 50, max: 200 },
  });
  expectTypeOf(read).toEqualTypeOf<Promise<Order | undefined>>();
});

test('the result is a row from `executeTakeFirstOrThrow`', () => {
  const read = withReplicaFallback(
    (db) => db.selectFrom('orders').selectAll().executeTakeFirstOrThrow(),
    { primary, replica, isMiss: returned((order) => order.version < 3) },
  );
  expectTypeOf(read).toEqualTypeOf<Promise<Order>>();
});

test('the result is an array from `execute`', () => {
  const read = withReplicaFallback((db) => db.selectFrom('orders').select('id').execute(), {
    primary,
    replica,
    isMiss: noRows,
  });
  expectTypeOf(read).toEqualTypeOf<Promise<{ id: string }[]>>();
});

test('the result is what an async query returns', () => {
  const read = withReplicaFallback(
    async (db) => {
      const { rows } = await sql<{ n: number }>`select 1 as n`.execute(db);
      return rows.length;
    },
    { primary, replica },
  );
  expectTypeOf(read).toEqualTypeOf<Promise<number>>();
});

test('a function sees the type of the value, without an annotation', () => {
  const read = withReplicaFallback((db) => db.selectFrom('orders').selectAll().executeTakeFirst(), {
    primary,
    replica,
    isMiss: (order) => {
      expectTypeOf(order).toEqualTypeOf<Order | undefined>();
      return order === undefined || order.version < 3;
    },
  });
  expectTypeOf(read).toEqualTypeOf<Promise<Order | undefined>>();
});

test('`attempted` sees the type of the attempt, without an annotation', () => {
  void withReplicaFallback((db) => db.selectFrom('orders').select('id').execute(), {
    primary,
    replica,
    isMiss: attempted((attempt) => {
      expectTypeOf(attempt).toEqualTypeOf<Attempt<{ id: string }[]>>();
      return attempt.ok && attempt.value.length === 0;
    }),
  });
});

test('functions inside `anyOf` see the type of the value, wherever they stand', () => {
  const first = (db: Kysely<Database>) => db.selectFrom('orders').selectAll().executeTakeFirst();
  const options = { primary, replica };
  const seen = (order: Order | undefined) => order === undefined;
  void withReplicaFallback((db) => first(db), {
    ...options,
    isMiss: anyOf(noRow, (order) => {
      expectTypeOf(order).toEqualTypeOf<Order | undefined>();
      return seen(order);
    }),
  });
  void withReplicaFallback((db) => first(db), {
    ...options,
    isMiss: anyOf((order) => {
      expectTypeOf(order).toEqualTypeOf<Order | undefined>();
      return seen(order);
    }, thrown(RangeError)),
  });
  void withReplicaFallback((db) => first(db), {
    ...options,
    isMiss: anyOf(
      (order) => {
        expectTypeOf(order).toEqualTypeOf<Order | undefined>();
        return seen(order);
      },
      returned((order) => {
        expectTypeOf(order).toEqualTypeOf<Order | undefined>();
        return seen(order);
      }),
    ),
  });
  void withReplicaFallback((db) => first(db), {
    ...options,
    isMiss: anyOf(
      attempted((attempt) => {
        expectTypeOf(attempt.source).toEqualTypeOf<'replica' | 'replica_retry' | 'primary'>();
        return attempt.ok && seen(attempt.value);
      }),
      anyOf((order) => {
        expectTypeOf(order).toEqualTypeOf<Order | undefined>();
        return seen(order);
      }),
    ),
  });
  const isMiss = anyOf(noRow, (order: Order | undefined) => seen(order));
  expectTypeOf(isMiss).toEqualTypeOf<MissClassifier<Order | undefined>>();
  void withReplicaFallback((db) => first(db), { ...options, isMiss });
});

test('a generic function may hand on a function of the value', () => {
  const read = <Row>(find: (db: Kysely<Database>) => Promise<Row>, isMiss: MissTest<Row>) =>
    withReplicaFallback(find, { primary, replica, isMiss: anyOf(noRow, isMiss) });
  expectTypeOf(read<string>).returns.toEqualTypeOf<Promise<string>>();
});

test('classifiers inside `anyOf` see the type of the value, without an annotation', () => {
  const read = withReplicaFallback((db) => db.selectFrom('orders').select('id').execute(), {
    primary,
    replica,
    isMiss: anyOf(
      noRows,
      returned((orders) => {
        expectTypeOf(orders).toEqualTypeOf<{ id: string }[]>();
        return orders.length < 2;
      }),
      thrown(RangeError),
      thrown((error) => error === 1),
    ),
  });
  expectTypeOf(read).toEqualTypeOf<Promise<{ id: string }[]>>();
});

test('a classifier that was made before may know less of the value than the query', () => {
  const isStale = returned((order: { version: number } | undefined) => (order?.version ?? 0) < 3);
  const read = withReplicaFallback((db) => db.selectFrom('orders').selectAll().executeTakeFirst(), {
    primary,
    replica,
    isMiss: isStale,
  });
  expectTypeOf(read).toEqualTypeOf<Promise<Order | undefined>>();
});

test('`thrown` takes a class whatever its constructor needs, and an abstract one', () => {
  class NotFound extends Error {
    constructor(id: string, cause: { table: string }) {
      super(id, { cause });
    }
  }
  abstract class Missing extends Error {
    abstract readonly id: string;
  }
  expectTypeOf(thrown(NotFound)).toEqualTypeOf<MissClassifier<unknown>>();
  expectTypeOf(thrown(Missing)).toEqualTypeOf<MissClassifier<unknown>>();
  // @ts-expect-error a class of something that is no error
  thrown(Map);
});

test('`transaction` takes a transaction of the same database', () => {
  const transaction = {} as Transaction<Database>;
  void withReplicaFallback(async () => 1, { primary, replica, transaction });
  const other = {} as Transaction<{ invoices: { id: string } }>;
  // @ts-expect-error no orders
  void withReplicaFallback(async () => 1, { primary, transaction: other });
});

test('`primary` may be a transaction beside a replica that is none', () => {
  const transaction = {} as Transaction<Database>;
  const read = withReplicaFallback((db) => db.selectFrom('orders').select('id').execute(), {
    primary: transaction,
    replica: [replica, replica],
  });
  expectTypeOf(read).toEqualTypeOf<Promise<{ id: string }[]>>();
  const typedAsItsDatabase: Kysely<Database> = transaction;
  void withReplicaFallback(async () => 1, { primary: typedAsItsDatabase, replica });
});

test('nothing else may be a transaction', () => {
  const refuse = (transaction: TransactionOf<Kysely<Database>>) =>
    void withReplicaFallback(async () => 1, { primary, transaction });
  // @ts-expect-error text
  refuse('begin');
  // @ts-expect-error an object with nothing in it
  refuse({});
  // @ts-expect-error an object with nothing of a client but a flag
  refuse({ isTransaction: true });
  // @ts-expect-error a promise of one
  refuse(Promise.resolve({} as Transaction<Database>));
  // @ts-expect-error another client's pool
  refuse(new Pool());
  // @ts-expect-error a function
  refuse(() => primary);
});

test('a logger may be the console', () => {
  void withReplicaFallback(async () => 1, { primary, logger: console });
});

test("a logger may be winston's, which has a switch `silent`", () => {
  void withReplicaFallback(async () => 1, { primary, logger: createLogger() });
});

test('options may be spelled out as `undefined`', () => {
  void withReplicaFallback(async () => 1, { primary, replica: undefined, retryMs: undefined });
});
