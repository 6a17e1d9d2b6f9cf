import { type Kysely, sql } from 'kysely';
import {
  createPrimaryBudget,
  createReplicaFallback,
  PrimaryBudgetExceededError,
  type ReplicaQuery,
} from 'kysely-replica-fallback';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Connection, connect } from '../../support/connect.ts';
import {
  addOrder,
  createOrders,
  findOrder,
  type FoundOrder,
  type OrdersDatabase,
} from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { watch } from '../../support/watch.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);
await database.holdBack();

let observer: Connection<OrdersDatabase>;
beforeAll(async () => {
  observer = connect(database.cluster.primary.connectionString);
});
afterAll(async () => {
  await observer?.end();
});

type Query = ReplicaQuery<Kysely<OrdersDatabase>, FoundOrder | undefined>;

/** Takes its time on the primary, and answers with what was there when it began. */
function findOrderSlowly(id: string): Query {
  return (db, { source }) => {
    const nap = source === 'primary' ? 0.5 : 0;
    // Constant, and so evaluated once, before the table is looked at.
    const isRested = sql<boolean>`(select pg_sleep(${nap})) is not null`;
    return findOrder(db, id).where(isRested).executeTakeFirst();
  };
}

test('a budget lets no more than its share of the reads that the standby misses through to the primary', async () => {
  await database.write(addOrder('budget'));
  const { options, see } = watch(database);
  const primaryBudget = createPrimaryBudget({ ratio: 0.2, minPerSecond: 0 });
  const read = createReplicaFallback({ ...options, primaryBudget });

  const reads = await Promise.allSettled(
    Array.from({ length: 50 }, () => read((db) => findOrder(db, 'budget').executeTakeFirst())),
  );

  const found = reads.filter(({ status }) => status === 'fulfilled');
  const rejected = reads.filter(({ status }) => status === 'rejected');
  expect(found).toHaveLength(1 + 10);
  for (const each of found) expect(each).toMatchObject({ value: { servedBy: 'primary' } });
  for (const each of rejected) {
    expect(each).toMatchObject({ reason: expect.any(PrimaryBudgetExceededError) });
  }
  expect(await see()).toMatchObject({ asked: { replica: 100, primary: 11 } });
});

test('reads of one key that spill at the same time are one query to the primary', async () => {
  await database.write(addOrder('coalesced'));
  const { options, see } = watch(database);
  const read = createReplicaFallback({ ...options, operation: 'order_by_id' });

  const orders = await Promise.all(
    Array.from({ length: 5 }, () =>
      read(findOrderSlowly('coalesced'), { coalesceKey: 'coalesced' }),
    ),
  );

  for (const order of orders) expect(order).toMatchObject({ servedBy: 'primary' });
  expect(await see()).toMatchObject({ asked: { replica: 10, primary: 1 } });
});

test('a read sees what was written before it, although an older query of its key still runs', async () => {
  const { options, see } = watch(database);
  const read = createReplicaFallback({ ...options, operation: 'order_by_id' });
  const readNow = () => read(findOrderSlowly('own write'), { coalesceKey: 'own write' });

  const before = readNow();
  await expect.poll(countNaps).toBe(1);
  await database.write(addOrder('own write'));
  const after = readNow();

  expect(await before).toBeUndefined();
  expect(await after).toMatchObject({ id: 'own write', servedBy: 'primary' });
  expect(await see()).toMatchObject({ outcomes: ['not_found', 'primary'], asked: { primary: 2 } });
});

async function countNaps(): Promise<number> {
  const { rows } = await sql`
    select from pg_stat_activity where wait_event = 'PgSleep'`.execute(observer.db);
  return rows.length;
}
