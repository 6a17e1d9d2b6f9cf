import { type Kysely, sql } from 'kysely';
import { createReplicaFallback } from 'kysely-replica-fallback';
import { createCausalSession, walCatchUp } from 'kysely-replica-fallback/postgres';
import { type Replica, startReplicationCluster } from 'kysely-replica-fallback/testing';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { lsnOf } from '../../../src/postgres/wal-position.ts';
import { connect } from '../../support/connect.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { commitSlowly, prepareSlowCommit } from '../../support/slow-commit.ts';
import { walSource } from '../../support/wal-source.ts';

const cluster = await startReplicationCluster({ replicas: 2 });
afterAll(() => cluster.stop());
const connection = connect<OrdersDatabase>(cluster.primary.connectionString);
afterAll(() => connection.end());
const primary = connection.db;
await createOrders(primary);
await addOrder('1', 0)(primary);

/** A standby that was restarted first replays what it had received before, and until then receives nothing. */

const HELD_BACK_MS = 600_000;
const find = (db: Kysely<OrdersDatabase>) => findOrder(db, '1').executeTakeFirstOrThrow();

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
test(
  'never goes back behind what a standby shows that replays its own log',
  { retry: 2, timeout: 60_000 },
  async () => {
    const [restarted, late = restarted] = cluster.replicas;
    await Promise.all(cluster.replicas.map((replica) => replica.setApplyDelay(0)));
    await prepareSlowCommit(primary);
    await Promise.all(cluster.replicas.map((replica) => replica.waitForReplay()));
    await Promise.all(cluster.replicas.map((replica) => replica.setApplyDelay(HELD_BACK_MS)));
    const { version: before } = await find(primary);
    await commitSlowly(primary, before + 1);
    const received = sql`
      select from pg_stat_replication where flush_lsn >= pg_current_wal_flush_lsn()`;
    await expect
      .poll(async () => (await received.execute(primary)).rows)
      .toHaveLength(cluster.replicas.length);
    await restarted.restart();

    const onRestarted = openOn(restarted);
    const replaying = restarted.setApplyDelay(0);
    let session = onRestarted.start();
    while ((await session.read(find)).version === before) session = onRestarted.start();
    const replayed = await onRestarted.replayed();
    await replaying;

    // Which stands still just before the commit.
    const onLate = openOn(late);
    expect(lsnOf(replayed ?? '')).toBe(lsnOf((await onLate.replayed()) ?? ''));
    const later = onLate.start(await session.position());
    expect(await later.read(find)).toMatchObject({ version: before + 1 });
  },
);
