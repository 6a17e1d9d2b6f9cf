import { type Kysely, sql } from 'kysely';
import { createReplicaFallback } from 'kysely-replica-fallback';
import { walCatchUp, walPosition } from 'kysely-replica-fallback/postgres';
import { recordReads } from 'kysely-replica-fallback/testing';
import { afterAll, expect, test } from 'vitest';
import { connect } from '../../support/connect.ts';
import {
  addOrder,
  createOrders,
  findOrder,
  orderReadsOf,
  type OrdersDatabase,
} from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);
await database.write((db) => sql`create table ballast (content text)`.execute(db));

/** Two sessions fill a table as fast as they can, so that the log grows all the time, between commits, too. */

const end = new AbortController();
const bulk = connect<OrdersDatabase>(database.cluster.primary.connectionString, { max: 2 });
const loading = Promise.all([load(), load()]);
afterAll(async () => {
  end.abort();
  await loading;
  await bulk.end();
});

async function load(): Promise<void> {
  const insert = sql`insert into ballast select repeat('x', 200) from generate_series(1, 10000)`;
  while (!end.signal.aborted) await insert.execute(bulk.db);
}

const READS = 10;
const { onOutcome, outcomes } = recordReads();
const read = createReplicaFallback({
  primary: database.primary.db,
  replica: database.replica.db,
  catchUp: walCatchUp(),
  retryMs: 10_000,
  onOutcome,
});
const find = (id: string) => (db: Kysely<OrdersDatabase>) => findOrder(db, id).executeTakeFirst();

test('finds each row that was added just now', async () => {
  for (let each = 1; each <= READS; each++) {
    const id = `added-${each}`;
    await addOrder(id)(database.primary.db);
    expect(await read(find(id))).toMatchObject({ id, servedBy: 'replica' });
  }
});

test('sees each version that was written just now', async () => {
  const { db } = database.primary;
  await addOrder('updated', 0)(db);
  for (let version = 1; version <= READS; version++) {
    await db.updateTable('orders').set({ version }).where('id', '=', 'updated').execute();
    const after = version % 2 === 0 ? 'now' : await walPosition(db);
    expect(await read(find('updated'), { after })).toMatchObject({ version, servedBy: 'replica' });
  }
});

test('knows from the replica that a row is nowhere', async () => {
  const rowsReadBefore = orderReadsOf(database.primary).length;
  for (let each = 1; each <= READS; each++) {
    expect(await read(find('nowhere'))).toBeUndefined();
    expect(outcomes.at(-1)).toBe('not_found');
  }
  expect(orderReadsOf(database.primary)).toHaveLength(rowsReadBefore);
});
