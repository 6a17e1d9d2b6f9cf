import type { Kysely } from 'kysely';
import { createReplicaFallback } from 'kysely-replica-fallback';
import { createCausalSession, walCatchUp, walPosition } from 'kysely-replica-fallback/postgres';
import type { Replica } from 'kysely-replica-fallback/testing';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { connect } from '../../support/connect.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { openSharedCluster } from '../../support/shared-cluster.ts';
import { commitSlowly, prepareSlowCommit } from '../../support/slow-commit.ts';
import { walSource } from '../../support/wal-source.ts';

const cluster = await openSharedCluster();
afterAll(() => cluster.stop());
const connection = connect<OrdersDatabase>(cluster.primary.connectionString);
afterAll(() => connection.end());
const primary = connection.db;
await createOrders(primary);
await addOrder('1', 0)(primary);

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
  await prepareSlowCommit(primary);
  await Promise.all([busy.waitForReplay(), late.waitForReplay()]);
  await late.setApplyDelay(60_000);
  const { version: before } = await find(primary);
  const onBusy = openOn(busy);

  const committing = commitSlowly(primary, before + 1);
  let session = onBusy.start();
  while ((await session.read(find)).version === before) session = onBusy.start();
  const replayed = await onBusy.replayed();
  await committing;

  expect(walSource().compare(replayed ?? '', await walPosition(primary))).toBe('behind');
  const later = openOn(late).start(await session.position());
  expect(await later.read(find)).toMatchObject({ version: before + 1 });
});
