import { type Kysely, sql } from 'kysely';
import { createReplicaFallback } from 'kysely-replica-fallback';
import {
  createCausalSession,
  replicaUnavailable,
  walCatchUp,
  walPosition,
} from 'kysely-replica-fallback/postgres';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import { expect, test } from 'vitest';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { walSource } from '../../support/wal-source.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders, startReplicationCluster);
const primary = database.primary.db;
await database.write(addOrder('1', 1));
// What is committed asynchronously is not flushed before the server crashes.
await sql`alter system set wal_writer_delay = '10s'`.execute(primary);
await sql`alter system set wal_writer_flush_after = '100MB'`.execute(primary);
await sql`alter system set bgwriter_delay = '10s'`.execute(primary);
await sql`select pg_reload_conf()`.execute(primary);

/** A backend of the primary is killed, and all that is not flushed is lost, although it was acknowledged. */

const options = { asynchronousCommits: true };
const find = (db: Kysely<OrdersDatabase>) => findOrder(db, '1').executeTakeFirst();
const read = createReplicaFallback({
  primary,
  replica: database.replica.db,
  catchUp: walCatchUp(options),
  isUnavailable: replicaUnavailable,
  retryMs: 200,
});

async function commitAsynchronously(version: number): Promise<void> {
  await primary.transaction().execute(async (transaction) => {
    await sql`set local synchronous_commit = off`.execute(transaction);
    await transaction.updateTable('orders').set({ version }).execute();
    await sql`select pg_logical_emit_message(true, '', repeat('x', 100000))`.execute(transaction);
  });
}

/** Resolves when the server has recovered from it. */
async function killBackend(): Promise<void> {
  await expect(
    sql`copy (select) to program 'kill -KILL $PPID'`.execute(primary),
  ).rejects.toBeDefined();
  await expect.poll(() => find(primary).catch(() => undefined)).toBeDefined();
}

test('a position that a crash took back asks for all that is on the primary now', async () => {
  await database.holdBack();
  await commitAsynchronously(2);
  const lost = await walPosition(primary, options);
  await killBackend();
  expect(await find(primary)).toMatchObject({ version: 1 });

  await primary.updateTable('orders').set({ version: 3 }).execute();

  const now = await walPosition(primary, options);
  expect(walSource().compare(now, lost)).toBe('behind');
  expect(await read(find, { after: lost })).toMatchObject({ version: 3 });
  const session = createCausalSession(read, { position: lost });
  expect(await session.read(find)).toMatchObject({ version: 3 });
});
