import { parseArgs } from 'node:util';
import { Kysely, PostgresDialect } from 'kysely';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import { Pool } from 'pg';
import { benchAfter } from './after.ts';
import { startDistance } from './distance.ts';
import { benchHit } from './hit.ts';
import { benchLoopback } from './loopback.ts';
import { benchRecovery } from './recovery.ts';
import { benchSnapshotsSince } from './snapshots-since.ts';
import { benchSpills } from './spills.ts';

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } });
const extent = { isQuick: values.quick };

await benchHit(extent);

await using cluster = await startReplicationCluster();
const [standby] = cluster.replicas;
await using primary = connect(cluster.primary.connectionString);
await using replica = connect(standby.connectionString);
console.log(`\n${cluster.description}`);
await benchLoopback(primary.withTables(), replica.withTables(), standby, extent);
await benchRecovery(cluster, extent);
await benchAfter(cluster, extent);
await benchSpills(primary.withTables(), replica.withTables(), standby, extent);
await using distance = await startDistance(cluster.primary.connectionString, 1);
await using distant = connect(distance.connectionString);
await benchSnapshotsSince(primary.withTables(), distant.withTables(), extent);

function connect(connectionString: string) {
  return new Kysely<unknown>({
    dialect: new PostgresDialect({ pool: new Pool({ connectionString }) }),
  });
}
