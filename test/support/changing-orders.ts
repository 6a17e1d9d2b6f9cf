import { sql } from 'kysely';
import {
  type Replica,
  type ReplicationCluster,
  startReplicationCluster,
} from 'kysely-replica-fallback/testing';
import { afterAll } from 'vitest';
import { type Connection, connect } from './connect.ts';
import { createOrders, type OrdersDatabase } from './orders.ts';
import { startVersionWriters, type VersionWriters } from './version-writers.ts';

/** Orders that are updated all the time on a primary with two standbys. */
export interface ChangingOrders {
  readonly cluster: ReplicationCluster;
  readonly primary: Connection<OrdersDatabase>;
  readonly writers: VersionWriters;
}

/**
 * Until all tests of the file have ended.
 *
 * @param setting - of the whole database
 */
export async function changingOrders(setting?: string): Promise<ChangingOrders> {
  const cluster = await startReplicationCluster({ replicas: 2 });
  await Promise.all(cluster.replicas.map(keepWhatIsRead));
  if (setting !== undefined) await setForAll(cluster, setting);
  const primary = connect<OrdersDatabase>(cluster.primary.connectionString);
  await createOrders(primary.db);
  const writers = await startVersionWriters(primary.db);
  await Promise.all(cluster.replicas.map((replica) => replica.waitForReplay()));
  afterAll(async () => {
    await writers.stop();
    await primary.end();
    await cluster.stop();
  });
  return { cluster, primary, writers };
}

/** Who connects from now on has it. */
async function setForAll({ primary }: ReplicationCluster, setting: string): Promise<void> {
  const admin = connect(primary.connectionString);
  await sql`alter database postgres set ${sql.raw(setting)}`.execute(admin.db);
  await admin.end();
}

/**
 * A standby that lags while writes never pause soon cancels every query that needs a row version which replay would remove:
 * its 30 seconds of grace count from when it last had nothing left to replay.
 */
async function keepWhatIsRead({ connectionString }: Replica): Promise<void> {
  const standby = connect(connectionString);
  await sql`alter system set hot_standby_feedback = on`.execute(standby.db);
  await sql`alter system set wal_receiver_status_interval = '1s'`.execute(standby.db);
  await sql`select pg_reload_conf()`.execute(standby.db);
  await standby.end();
}
