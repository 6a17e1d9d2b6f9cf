import { type Kysely, sql } from 'kysely';
import { createReplicaFallback } from 'kysely-replica-fallback';
import { createCausalSession, walCatchUp, walPosition } from 'kysely-replica-fallback/postgres';
import type { Replica } from 'kysely-replica-fallback/testing';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { connect } from '../../support/connect.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { openSharedCluster } from '../../support/shared-cluster.ts';
import { walSource } from '../../support/wal-source.ts';

const cluster = await openSharedCluster();
afterAll(() => cluster.stop());
const connection = connect<OrdersDatabase>(cluster.primary.connectionString);
afterAll(() => connection.end());
const primary = connection.db;
await createOrders(primary);
await addOrder('1', 0)(primary);

/** A standby shows what a transaction did before it has deleted the files of the tables that went with it. */

const TABLES = Array.from({ length: 2_000 }, (_, index) => `short_lived_${index}`);
const AT_ONCE = 500;

async function forAllTables(db: Kysely<OrdersDatabase>, statement: (table: string) => string) {
  for (let from = 0; from < TABLES.length; from += AT_ONCE) {
    const statements = TABLES.slice(from, from + AT_ONCE).map(statement);
    await sql.raw(`do $$ begin ${statements.join(';')}; end $$`).execute(db);
  }
}

const find = (db: Kysely<OrdersDatabase>) => findOrder(db, '1').executeTakeFirstOrThrow();

/** Where sessions start that read on one of the standbys. */
function openOn({ connectionString }: Replica) {
  const replica = connect<OrdersDatabase>(connectionString);
  onTestFinished(() => replica.end());
  const read = createReplicaFallback({ primary, replica: replica.db, catchUp: walCatchUp() });
  return {
    start: (position?: string) => createCausalSession(read, { position }),
    replayed: () => walSource().replayed(replica.db),
  };
}

// That the standby is asked in time is a matter of moments: once in three times is proof.
test('never goes back behind what a standby shows and has not replayed', { retry: 2 }, async () => {
  const [busy, late = busy] = cluster.replicas;
  await late.setApplyDelay(0);
  await forAllTables(primary, (table) => `create table ${table} (id integer)`);
  await Promise.all([busy.waitForReplay(), late.waitForReplay()]);
  await late.setApplyDelay(60_000);
  const { version: before } = await find(primary);
  const onBusy = openOn(busy);

  const dropping = primary.transaction().execute(async (transaction) => {
    await transaction
      .updateTable('orders')
      .set({ version: before + 1 })
      .execute();
    await forAllTables(transaction, (table) => `drop table ${table}`);
  });
  let session = onBusy.start();
  while ((await session.read(find)).version === before) session = onBusy.start();
  const replayed = await onBusy.replayed();
  await dropping;

  expect(walSource().compare(replayed ?? '', await walPosition(primary))).toBe('behind');
  const later = openOn(late).start(await session.position());
  expect(await later.read(find)).toMatchObject({ version: before + 1 });
});
