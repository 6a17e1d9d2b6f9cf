import type { Kysely } from 'kysely';
import { createReplicaFallback } from 'kysely-replica-fallback';
import { createCausalSession, walCatchUp } from 'kysely-replica-fallback/postgres';
import { type Replica, startReplicationCluster } from 'kysely-replica-fallback/testing';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { connect } from '../../support/connect.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';

const cluster = await startReplicationCluster({ replicas: 2 });
afterAll(() => cluster.stop());
const connection = connect<OrdersDatabase>(cluster.primary.connectionString);
afterAll(() => connection.end());
const primary = connection.db;
await createOrders(primary);
await addOrder('1', 1)(primary);

/** A standby that was restarted has received less than it has replayed, until the primary writes again. */

const find = (db: Kysely<OrdersDatabase>) => findOrder(db, '1').executeTakeFirst();

function startOn({ connectionString }: Replica, position?: string) {
  const replica = connect<OrdersDatabase>(connectionString);
  onTestFinished(() => replica.end());
  const read = createReplicaFallback({ primary, replica: replica.db, catchUp: walCatchUp() });
  return createCausalSession(read, { position });
}

test('never goes back behind what a standby shows that was restarted', async () => {
  const [restarted, late = restarted] = cluster.replicas;
  await late.waitForReplay();
  await late.pauseReplay();
  await primary.updateTable('orders').set({ version: 2 }).execute();
  await restarted.waitForReplay();
  await restarted.restart();

  const session = startOn(restarted);
  expect(await session.read(find)).toMatchObject({ version: 2, servedBy: 'replica' });

  const later = startOn(late, await session.position());
  expect(await later.read(find)).toMatchObject({ version: 2 });
});
