import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import { Client } from 'pg';

/** A primary with an order that its standby does not have. */
export async function startServers() {
  const cluster = await startReplicationCluster({ runtime: 'embedded' });
  const [standby] = cluster.replicas;
  const client = new Client({ connectionString: cluster.primary.connectionString });
  await client.connect();
  await client.query('create table orders (id text primary key, status text, version int)');
  await standby.waitForReplay();
  await standby.pauseReplay();
  await client.query(`insert into orders values ('new', 'paid', 1)`);
  await client.end();
  return {
    primaryUrl: cluster.primary.connectionString,
    replicaUrl: standby.connectionString,
    stop: () => cluster.stop(),
  };
}
