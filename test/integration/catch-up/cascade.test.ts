import type { Kysely } from 'kysely';
import { walCatchUp, walPosition } from 'kysely-replica-fallback/postgres';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import { afterAll, expect, test } from 'vitest';
import { afterFirstAnswer } from '../../support/after-first-answer.ts';
import { cascade } from '../../support/cascade.ts';
import { connect } from '../../support/connect.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { seeRead } from '../../support/see-read.ts';
import { TOO_LATE } from '../../support/too-late.ts';

const cluster = await startReplicationCluster({ replicas: 2 });
await cascade(cluster);
const [first, second] = cluster.replicas;
if (second === undefined) throw new Error('There is no second standby.');
const primary = connect<OrdersDatabase>(cluster.primary.connectionString);
const replica = connect<OrdersDatabase>(second.connectionString);
await createOrders(primary.db);
await second.waitForReplay();
afterAll(async () => {
  await Promise.all([primary.end(), replica.end()]);
  await cluster.stop();
});

/** The replica streams from another standby, not from the primary. */

const options = {
  primary: primary.db,
  replica: replica.db,
  catchUp: walCatchUp(),
  retryMs: 5_000,
};
/** The replica goes on with its replay after its first answer. */
const catchingUp = () => ({
  ...options,
  replica: afterFirstAnswer(replica.db, () => second.resumeReplay()),
});
const find = (id: string) => (db: Kysely<OrdersDatabase>) => findOrder(db, id).executeTakeFirst();

test('waits for the replica, and no longer, when a row is missing or old', async () => {
  await second.pauseReplay();
  await addOrder('1', 0)(primary.db);

  const { result, report } = await seeRead(find('1'), catchingUp());

  expect(result).toMatchObject({ status: 'fulfilled', value: { servedBy: 'replica' } });
  expect(report).toMatchObject({
    outcome: 'replica_retry',
    recovery: { catchUp: { waitedFor: 'existence', end: 'caught_up' } },
  });

  for (let version = 1; version <= 10; version++) {
    await second.pauseReplay();
    await primary.db.updateTable('orders').set({ version }).where('id', '=', '1').execute();
    const after = await walPosition(primary.db);
    const update = await seeRead(find('1'), { ...catchingUp(), after });
    expect(update.result).toMatchObject({ value: { version, servedBy: 'replica' } });
    expect(update.report.outcome).toBe('replica_retry');
  }
});

test('knows from the replica that a row is nowhere', async () => {
  const { result, report } = await seeRead(find('nowhere'), options);

  expect(result).toEqual({ status: 'fulfilled', value: undefined });
  expect(report).toMatchObject({ outcome: 'not_found', attempts: 2 });
});

test('is served by the primary while the standby in between is down', async () => {
  await first.kill();
  await addOrder('2')(primary.db);

  const { result, report } = await seeRead(find('2'), { ...options, retryMs: 1_500 });

  expect(result).toMatchObject({ status: 'fulfilled', value: { id: '2', servedBy: 'primary' } });
  expect(report).toMatchObject({ outcome: 'primary', recovery: { catchUp: { end: TOO_LATE } } });

  await first.start();
  await second.waitForReplay();
  const back = await seeRead(find('2'), options);
  expect(back.result).toMatchObject({ status: 'fulfilled', value: { servedBy: 'replica' } });
});
