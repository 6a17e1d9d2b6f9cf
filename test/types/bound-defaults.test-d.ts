import type { Kysely, Transaction } from 'kysely';
import {
  anyOf,
  createReplicaFallback,
  noRow,
  type ReplicaFallback,
  returned,
  thrown,
} from 'kysely-replica-fallback';
import { expectTypeOf, test } from 'vitest';

interface Order {
  id: string;
  version: number;
}
interface Database {
  orders: Order;
}
const primary = {} as Kysely<Database>;
const read = createReplicaFallback({
  primary,
  replica: primary,
  isMiss: anyOf(noRow, thrown(RangeError)),
});

test('the client of the reads is that of the defaults', () => {
  expectTypeOf(read).toEqualTypeOf<ReplicaFallback<Kysely<Database>>>();
});

test('each read has its own result', () => {
  const first = read((db) => db.selectFrom('orders').selectAll().executeTakeFirst());
  const all = read((db) => db.selectFrom('orders').select('id').execute());
  expectTypeOf(first).toEqualTypeOf<Promise<Order | undefined>>();
  expectTypeOf(all).toEqualTypeOf<Promise<{ id: string }[]>>();
});

test('overrides see the type of the value, without an annotation', () => {
  const order = read((db) => db.selectFrom('orders').selectAll().executeTakeFirst(), {
    isMiss: returned((value) => {
      expectTypeOf(value).toEqualTypeOf<Order | undefined>();
      return value === undefined || value.version < 3;
    }),
    operation: 'order_by_id',
  });
  expectTypeOf(order).toEqualTypeOf<Promise<Order | undefined>>();
  void read((db) => db.selectFrom('orders').select('id').execute(), {
    isMiss: (orders) => {
      expectTypeOf(orders).toEqualTypeOf<{ id: string }[]>();
      return orders.length === 0;
    },
  });
});

test('overrides may bring a transaction, another client or nothing', () => {
  void read(async () => 1, { transaction: {} as Transaction<Database> });
  void read(async () => 1, { primary });
  void read(async () => 1, { operation: undefined });
  void read(async () => 1, {});
});
