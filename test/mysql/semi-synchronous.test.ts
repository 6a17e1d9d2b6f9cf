import type { Kysely } from 'kysely';
import { createReplicaFallback } from 'kysely-replica-fallback';
import { createCausalSession, gtidCatchUp } from 'kysely-replica-fallback/mysql';
import { expect, onTestFinished, test } from 'vitest';
import { BRANDS } from '../support/mysql/brands.ts';
import { openKysely } from '../support/mysql/clients.ts';
import { startGtidCluster } from '../support/mysql/gtid-cluster.ts';
import {
  addOrder,
  createOrders,
  findOrder,
  type OrdersDatabase,
  PRIMARY,
  setVersion,
} from '../support/mysql/orders.ts';

/**
 * A limit of sessions that the documents tell: with the wait point `AFTER_SYNC`, a primary shows a commit only when a replica has
 * acknowledged it. The other replicas need not wait for that. MySQL needs a plugin for it.
 */

const find = (db: Kysely<OrdersDatabase>) => findOrder(db, '1');
const obstacle = BRANDS.find(({ brand }) => brand === 'MariaDB')?.obstacle;

test(
  'on MariaDB, a session can see a commit on a replica that the primary does not show yet',
  { timeout: 120_000 },
  async ({ skip }) => {
    skip(obstacle !== undefined, obstacle);
    const cluster = await startGtidCluster('MariaDB', {
      replicas: 2,
      settings: [
        '--rpl-semi-sync-master-wait-point=AFTER_SYNC',
        '--rpl-semi-sync-master-timeout=600000',
      ],
    });
    onTestFinished(() => cluster[Symbol.asyncDispose]());
    const [quick, late = quick] = cluster.replicas;
    const [primaryDb, quickDb, lateDb] = [cluster.primary, quick, late].map((server) =>
      openKysely<OrdersDatabase>(server.connectionString),
    ) as [Kysely<OrdersDatabase>, Kysely<OrdersDatabase>, Kysely<OrdersDatabase>];
    await createOrders(cluster);
    await addOrder(cluster, '1');
    await Promise.all(cluster.replicas.map((replica) => replica.catchUp()));
    await late.holdBack();

    await cluster.primary.ask('set global rpl_semi_sync_master_enabled = 1'); // and no replica acknowledges
    const committing = setVersion(cluster, '1', 2);
    await expect.poll(() => find(quickDb)).toMatchObject({ version: 2 });
    expect(await find(primaryDb)).toMatchObject({ version: 1 });

    const session = createCausalSession(
      createReplicaFallback({
        primary: primaryDb,
        replica: quickDb,
        catchUp: gtidCatchUp(),
        retryMs: 100,
      }),
    );
    expect(await session.read(find)).toMatchObject({ version: 2, server: 2 });
    const next = await session.read(find, { replica: lateDb });
    expect(next).toMatchObject({ version: 1, server: PRIMARY });

    await cluster.primary.ask('set global rpl_semi_sync_master_enabled = 0');
    await committing;
    expect(await session.read(find, { replica: lateDb })).toMatchObject({ version: 2 });
  },
);
