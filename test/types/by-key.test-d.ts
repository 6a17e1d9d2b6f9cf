import type { Kysely } from 'kysely';
import { withReplicaFallbackByKey } from 'kysely-replica-fallback';
import { expectTypeOf, test } from 'vitest';

interface Database {
  orders: { id: number; version: number };
}
const primary = {} as Kysely<Database>;
const replica = primary;
const find = (db: Kysely<Database>, ids: readonly number[]) =>
  db.selectFrom('orders').selectAll().where('id', 'in', ids).execute();

test('rows and keys have their types without an annotation', () => {
  const read = withReplicaFallbackByKey(
    [1, 2],
    (db, missing, { signal }) =>
      db.selectFrom('orders').selectAll().where('id', 'in', missing).execute({ signal }),
    { primary, replica, keyOf: (order) => order.id },
  );
  expectTypeOf(read).resolves.toEqualTypeOf<{ id: number; version: number }[]>();
});

test('a key of another type than the keys does not compile', () => {
  // @ts-expect-error a string is not a number
  void withReplicaFallbackByKey([1], find, { primary, keyOf: (order) => String(order.id) });
  // @ts-expect-error nor is an object
  void withReplicaFallbackByKey([{ id: 1 }], find, { primary, keyOf: (order) => order.id });
});

test('keys may be an empty list, and of a type of their own', () => {
  type OrderId = number & { readonly of: 'order' };
  void withReplicaFallbackByKey([], find, { primary, keyOf: (order) => order.id });
  void withReplicaFallbackByKey([1 as OrderId], find, { primary, keyOf: (order) => order.id });
});

test('a generic function may read by keys whose type it does not know', () => {
  const findAll = <Key extends string | number>(
    keys: readonly Key[],
    select: (db: Kysely<Database>, keys: readonly Key[]) => Promise<{ id: Key }[]>,
  ) => withReplicaFallbackByKey(keys, select, { primary, replica, keyOf: (row) => row.id });
  expectTypeOf(findAll<'a'>).returns.resolves.toEqualTypeOf<{ id: 'a' }[]>();
});

test('options that keys leave no room for do not compile', () => {
  const options = { primary, replica, keyOf: (order: { id: number }) => order.id };
  // @ts-expect-error the keys say what is missing
  void withReplicaFallbackByKey([1], find, { ...options, isMiss: () => true });
  // @ts-expect-error reads that lack different rows cannot share a query
  void withReplicaFallbackByKey([1], find, { ...options, coalesceKey: '1', operation: 'orders' });
  // @ts-expect-error no `keyOf`
  void withReplicaFallbackByKey([1], find, { primary, replica });
});
