import { type ControlledTransaction, type Kysely, sql } from 'kysely';
import { createReplicaFallback } from 'kysely-replica-fallback';
import { walCatchUp, walPosition } from 'kysely-replica-fallback/postgres';
import { recordReads } from 'kysely-replica-fallback/testing';
import { expect, onTestFinished, test } from 'vitest';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { TOO_LATE } from '../../support/too-late.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);
await database.write((db) => sql`create table locked ()`.execute(db));

/** Transactions that read, and stay open. */

/** A transaction with a snapshot, and with a lock on `locked`, until it is committed or the test ends. */
async function readAndStay(db: Kysely<OrdersDatabase>) {
  const transaction: ControlledTransaction<OrdersDatabase> = await db
    .startTransaction()
    .setIsolationLevel('repeatable read')
    .execute();
  onTestFinished(async () => {
    if (!transaction.isCommitted) await transaction.commit().execute();
  });
  await sql`select count(*) from orders, locked`.execute(transaction);
  return transaction;
}

/** Writes a version, and reads it. */
function writeAndRead(windowMs: number) {
  const { onOutcome, reports } = recordReads();
  const read = createReplicaFallback({
    primary: database.primary.db,
    replica: database.replica.db,
    catchUp: walCatchUp(),
    retryMs: windowMs,
    onOutcome,
  });
  let version = 0;
  return async (id: string) => {
    version++;
    if (version === 1) await addOrder(id, version)(database.primary.db);
    const { db } = database.primary;
    await db.updateTable('orders').set({ version }).where('id', '=', id).execute();
    const after = await walPosition(db);
    const found = await read((client) => findOrder(client, id).executeTakeFirst(), { after });
    return { found, version, report: reports.at(-1) };
  };
}

test.for([
  { server: 'primary', db: database.primary.db },
  { server: 'replica', db: database.replica.db },
])(
  'is served by the replica while a transaction is open on the $server',
  async ({ server, db }) => {
    await readAndStay(db);
    const next = writeAndRead(5_000);

    for (let each = 0; each < 10; each++) {
      const { found, version } = await next(server);
      expect(found).toMatchObject({ version, servedBy: 'replica' });
    }
  },
);

test('is served by the primary while a transaction on the replica holds back what is replayed, after one window', async () => {
  const WINDOW_MS = 1_500; // longer than a slow machine stands still
  const transaction = await readAndStay(database.replica.db);
  await sql`truncate locked`.execute(database.primary.db);
  const next = writeAndRead(WINDOW_MS);

  const first = await next('held back');
  expect(first.found).toMatchObject({ version: 1, servedBy: 'primary' });
  expect(first.report).toMatchObject({ recovery: { catchUp: { end: TOO_LATE } } });
  for (let each = 0; each < 10; each++) {
    const { found, version, report } = await next('held back');
    expect(found).toMatchObject({ version, servedBy: 'primary' });
    expect(report).toMatchObject({ recovery: { catchUp: { end: 'hopeless' } } });
  }

  await transaction.commit().execute();
  await database.cluster.replicas[0].waitForReplay();
  const { found, version } = await next('held back');
  expect(found).toMatchObject({ version, servedBy: 'replica' });
});
