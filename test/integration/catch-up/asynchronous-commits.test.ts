import type { Kysely } from 'kysely';
import { walCatchUp, walPosition } from 'kysely-replica-fallback/postgres';
import { expect, onTestFinished, test } from 'vitest';
import { afterFirstAnswer } from '../../support/after-first-answer.ts';
import { connect } from '../../support/connect.ts';
import {
  addOrder,
  createOrders,
  findOrder,
  orderReadsOf,
  type OrdersDatabase,
} from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { seeRead } from '../../support/see-read.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);

/**
 * A commit with `synchronous_commit = off` is acknowledged before it is flushed, and so before it is sent to a standby: up to
 * 200 ms later (`wal_writer_delay`). The standby does not replay before its first answer, which on a slow machine takes longer.
 */

const READS = 5;
const [standby] = database.cluster.replicas;
const catchingUp = () => ({
  primary: database.primary.db,
  replica: afterFirstAnswer(database.replica.db, () => standby.resumeReplay()),
  catchUp: walCatchUp(),
  retryMs: 5_000,
});

function connectWriter() {
  const { primary } = database.cluster;
  const writer = connect<OrdersDatabase>(primary.connectionString, {
    options: '-c synchronous_commit=off',
  });
  onTestFinished(() => writer.end());
  return writer.db;
}

test('finds each row that was committed asynchronously, on the replica', async () => {
  const writer = connectWriter();
  for (let read = 1; read <= READS; read++) {
    const id = `added-${read}`;
    await standby.pauseReplay();
    await addOrder(id)(writer);

    const { result, report } = await seeRead(
      (db: Kysely<OrdersDatabase>) => findOrder(db, id).executeTakeFirst(),
      catchingUp(),
    );

    expect(result).toMatchObject({ status: 'fulfilled', value: { id, servedBy: 'replica' } });
    expect(report).toMatchObject({
      outcome: 'replica_retry',
      recovery: { catchUp: { waitedFor: 'existence', end: 'caught_up' } },
    });
  }
  expect(orderReadsOf(database.primary)).toEqual([]);
});

test('sees each version that was committed asynchronously, on the replica', async () => {
  const writer = connectWriter();
  await addOrder('updated', 0)(writer);
  for (let version = 1; version <= READS; version++) {
    await standby.pauseReplay();
    await writer.updateTable('orders').set({ version }).where('id', '=', 'updated').execute();
    const after = await walPosition(database.primary.db);

    const { result, report } = await seeRead(
      (db: Kysely<OrdersDatabase>) => findOrder(db, 'updated').executeTakeFirst(),
      { ...catchingUp(), after },
    );

    expect(result).toMatchObject({ status: 'fulfilled', value: { version, servedBy: 'replica' } });
    expect(report).toMatchObject({
      outcome: 'replica_retry',
      recovery: { catchUp: { waitedFor: 'after', end: 'caught_up' } },
    });
  }
  expect(orderReadsOf(database.primary)).toEqual([]);
});
