import DataLoader from 'dataloader';
import { returned, withReplicaFallback, withReplicaFallbackByKey } from 'kysely-replica-fallback';
import { walCatchUp } from 'kysely-replica-fallback/postgres';
import { type Kysely, sql } from 'kysely';
import { afterEach, expect, test } from 'vitest';
import {
  addOrder,
  createOrders,
  type FoundOrder,
  findOrder,
  type OrdersDatabase,
} from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { watch } from '../../support/watch.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);
afterEach(() => database.catchUp());

const OLD = Array.from({ length: 50 }, (_, index) => `old ${index}`);
const NEW = ['new 1', 'new 2'];
const ids = [...NEW, ...OLD];
await database.write(...OLD.map((id) => addOrder(id)));

const keyOf = (order: FoundOrder) => order.id;
const findOrders = (db: Kysely<OrdersDatabase>, wanted: readonly string[]) =>
  findOrder(db, '').clearWhere().where('id', 'in', wanted).execute();
const servedBy = (rows: readonly FoundOrder[], server: string) =>
  rows.filter((row) => row.servedBy === server).length;

test('reads of a list only those rows on the primary that the replica does not have', async () => {
  await database.holdBack();
  await database.write(...NEW.map((id) => addOrder(id)));
  const { options, see } = watch(database);

  const orders = await withReplicaFallbackByKey(ids, findOrders, { ...options, keyOf });
  const whole = await withReplicaFallback((db) => findOrders(db, ids), {
    ...options,
    isMiss: returned((rows) => rows.length < ids.length),
  });

  expect(orders.map(keyOf)).toEqual(ids);
  expect(servedBy(orders, 'primary')).toBe(2);
  expect(servedBy(whole, 'primary')).toBe(52);
  expect(await see()).toMatchObject({ outcomes: ['primary', 'primary'] });
});

test('asks no primary for rows when the replica catches up in time', async () => {
  await database.holdBack();
  await database.write(addOrder('late'));
  const { options, see } = watch(database);

  const read = withReplicaFallbackByKey(['late', 'nowhere', 'old 1'], findOrders, {
    ...options,
    keyOf,
    catchUp: walCatchUp(),
    retryMs: 10_000,
  });
  await database.catchUp();

  expect(await read).toMatchObject([
    { id: 'late', servedBy: 'replica' },
    { id: 'old 1', servedBy: 'replica' },
  ]);
  expect(await see()).toMatchObject({ outcomes: ['not_found'] });
});

test("is a batch of DataLoader's, which knows then what is nowhere", async () => {
  await database.write(addOrder('loaded'));
  const { options, see } = watch(database);
  const loader = new DataLoader(async (wanted: readonly string[]) => {
    const rows = await withReplicaFallbackByKey(wanted, findOrders, { ...options, keyOf });
    return wanted.map((id) => rows.find((row) => row.id === id));
  });

  const found = await Promise.all(['loaded', 'nowhere', 'old 1'].map((id) => loader.load(id)));

  expect(found.map((order) => order?.id)).toEqual(['loaded', undefined, 'old 1']);
  expect(await see()).toMatchObject({ outcomes: ['not_found'] });
});

test('does not take a UUID in upper case for one that is nowhere', async () => {
  const uuid = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11';
  const { options } = watch(database);
  const findUuids = async (db: Kysely<OrdersDatabase>, wanted: readonly string[]) => {
    const list = sql.join(wanted.map((key) => sql`${key}::uuid`));
    const { rows } = await sql<{ id: string }>`
      select id from (values (${uuid}::uuid)) as written (id) where id in (${list})`.execute(db);
    return rows;
  };
  const byId = { ...options, keyOf: ({ id }: { id: string }) => id };

  const read = withReplicaFallbackByKey([uuid.toUpperCase()], findUuids, byId);

  await expect(read).rejects.toMatchObject({ name: 'InvalidOptionError', option: 'keyOf' });
  await expect(read).rejects.not.toThrow(uuid);
  expect(await withReplicaFallbackByKey([uuid], findUuids, byId)).toEqual([{ id: uuid }]);
});
