import { type Kysely, sql } from 'kysely';
import {
  createPrimaryBudget,
  createReplicaFallback,
  PrimaryBudgetExceededError,
  type ReplicaQuery,
} from 'kysely-replica-fallback';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
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

/** On the primary it waits until it is let in, and then answers with what was there when it began. */
function findOrderSlowly(id: string): Query {
  return (db, { source }) => {
    const order = findOrder(db, id);
    if (source !== 'primary') return order.executeTakeFirst();
    // Constant, and so evaluated once, before the table is looked at.
    const isLetIn = sql<boolean>`(select pg_advisory_xact_lock_shared(1)) is not null`;
    return order.where(isLetIn).executeTakeFirst();
  };
}

/** Keeps the queries on the primary waiting. Resolves with how to let them in. */
async function keepWaiting() {
  const keeper = await observer.db.startTransaction().execute();
  const letIn = () => keeper.commit().execute();
  onTestFinished(async () => {
    if (!keeper.isCommitted) await letIn();
  });
  await sql`select pg_advisory_xact_lock(1)`.execute(keeper);
  return letIn;
}

test('a budget lets no more than its share of the reads that the standby misses through to the primary', async () => {
  await database.write(addOrder('budget'));
  // The income of a second is all that is saved of it, and all reads are to be of the same second.
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
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

  const letIn = await keepWaiting();
  const reads = Array.from({ length: 5 }, () =>
    read(findOrderSlowly('coalesced'), { coalesceKey: 'coalesced' }),
  );
  await expect.poll(see).toMatchObject({ asked: { replica: 10 } });
  await letIn();

  for (const order of await Promise.all(reads))
    expect(order).toMatchObject({ servedBy: 'primary' });
  expect(await see()).toMatchObject({ asked: { replica: 10, primary: 1 } });
});

test('a read sees what was written before it, although an older query of its key still runs', async () => {
  const { options, see } = watch(database);
  const read = createReplicaFallback({ ...options, operation: 'order_by_id' });
  const readNow = () => read(findOrderSlowly('own write'), { coalesceKey: 'own write' });

  const letIn = await keepWaiting();
  const before = readNow();
  await expect.poll(countWaiting).toBe(1);
  await database.write(addOrder('own write'));
  const after = readNow();
  await expect.poll(countWaiting).toBe(2);
  await letIn();

  expect(await before).toBeUndefined();
  expect(await after).toMatchObject({ id: 'own write', servedBy: 'primary' });
  const { outcomes, asked } = await see();
  expect(outcomes.toSorted()).toEqual(['not_found', 'primary']);
  expect(asked.primary).toBe(2);
});

async function countWaiting(): Promise<number> {
  const { rows } = await sql`
    select from pg_locks where locktype = 'advisory' and not granted`.execute(observer.db);
  return rows.length;
}
