import { type Kysely, sql } from 'kysely';
import { createReplicaFallback } from 'kysely-replica-fallback';
import { createCausalSession, walCatchUp } from 'kysely-replica-fallback/postgres';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { connect } from '../../support/connect.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';

const cluster = await startReplicationCluster({ replicas: 2 });
const [quick, late = quick] = cluster.replicas;
const [primary, quickReplica, lateReplica] = [cluster.primary, quick, late].map((server) =>
  connect<OrdersDatabase>(server.connectionString),
) as [Connection, Connection, Connection];
type Connection = ReturnType<typeof connect<OrdersDatabase>>;
afterAll(async () => {
  await Promise.all([primary, quickReplica, lateReplica].map((connection) => connection.end()));
  await cluster.stop();
});
await createOrders(primary.db);
await addOrder('1', 1)(primary.db);
await Promise.all(cluster.replicas.map((replica) => replica.waitForReplay()));

/** A limit of sessions that the documents tell: a primary shows a commit only when the standbys that it waits for have it. */

const find = (db: Kysely<OrdersDatabase>) => findOrder(db, '1').executeTakeFirst();

async function waitForStandby(name: string): Promise<void> {
  await sql`alter system set synchronous_standby_names = ${sql.lit(name)}`.execute(primary.db);
  await sql`select pg_reload_conf()`.execute(primary.db);
}

/** Commits until a commit has to wait: the server makes the setting known a moment after it was reloaded. */
async function commitAndWait() {
  const waiting = sql`select from pg_stat_activity where wait_event = 'SyncRep'`;
  for (let version = 2; ; version++) {
    const commit = { hasEnded: false };
    const committing = primary.db
      .updateTable('orders')
      .set({ version })
      .execute()
      .finally(() => (commit.hasEnded = true));
    while (!commit.hasEnded) {
      const { rows } = await waiting.execute(primary.db);
      if (rows.length > 0) return { version, committing };
    }
    await committing;
  }
}

test('a session can see a commit on a replica that the primary does not show yet', async () => {
  await late.pauseReplay();
  await waitForStandby('absent');
  onTestFinished(() => waitForStandby(''));
  const { version, committing } = await commitAndWait();
  await expect.poll(() => find(quickReplica.db)).toMatchObject({ version });
  expect(await find(primary.db)).toMatchObject({ version: version - 1 });

  const session = createCausalSession(
    createReplicaFallback({
      primary: primary.db,
      replica: quickReplica.db,
      catchUp: walCatchUp(),
      retryMs: 100,
    }),
  );
  expect(await session.read(find)).toMatchObject({ version, servedBy: 'replica' });
  const next = await session.read(find, { replica: lateReplica.db });
  expect(next).toMatchObject({ version: version - 1, servedBy: 'primary' });

  await waitForStandby('');
  await committing;
  expect(await session.read(find, { replica: lateReplica.db })).toMatchObject({ version });
});
