import { type Kysely, sql } from 'kysely';
import { replicaUnavailable, walCatchUp, walPosition } from 'kysely-replica-fallback/postgres';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import { expect, onTestFinished, test } from 'vitest';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { seeRead } from '../../support/see-read.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders, startReplicationCluster);
const standby = database.cluster.replicas[0];
const find = (db: Kysely<OrdersDatabase>) => findOrder(db, '1').executeTakeFirst();

/** Later crashes come back to this, and not to what has been replayed since. */
async function restartFromHere(): Promise<void> {
  await sql`checkpoint`.execute(database.primary.db);
  await standby.waitForReplay();
  await sql`checkpoint`.execute(database.replica.db);
}

test('never takes the answer of a standby that has crashed and come back older', async () => {
  await database.write(addOrder('1', 1));
  await restartFromHere();
  await database.write((db) => db.updateTable('orders').set({ version: 2 }).execute());
  const after = await walPosition(database.primary.db);
  const options = {
    primary: database.primary.db,
    replica: database.replica.db,
    isUnavailable: replicaUnavailable,
    catchUp: walCatchUp(),
    retryMs: 200,
  };
  const before = await seeRead(find, { ...options, after });
  expect(before.result).toMatchObject({ value: { version: 2, servedBy: 'replica' } });

  await standby.setApplyDelay(60_000); // so that it stays as it comes back
  onTestFinished(() => standby.setApplyDelay(0));
  await standby.kill();
  await standby.start();

  await expect
    .poll(() => find(database.replica.db).catch(() => undefined))
    .toMatchObject({ version: 1, servedBy: 'replica' });
  for (const required of [after, 'now', after]) {
    const { result, report } = await seeRead(find, { ...options, after: required });
    expect(result).toMatchObject({ value: { version: 2, servedBy: 'primary' } });
    expect(report.outcome).toBe('primary');
  }

  await standby.setApplyDelay(0);
  await standby.waitForReplay();
  const back = await seeRead(find, { ...options, after });
  expect(back.result).toMatchObject({ value: { version: 2, servedBy: 'replica' } });
});
