import { laggingReplica } from 'kysely-replica-fallback/testing';
import { connect } from './connect.ts';
import type { Change, ReplicatedDatabase } from './replicated-database.ts';
import { openSharedCluster } from './shared-cluster.ts';

/** On the primary alone, of which all tables lag when the test says so. */
export async function startStandInDatabase<DB>(
  migrate: Change<DB>,
): Promise<ReplicatedDatabase<DB>> {
  const cluster = await openSharedCluster();
  const writer = connect<DB>(cluster.primary.connectionString);
  const primary = connect<DB>(cluster.primary.connectionString);
  const reader = connect<DB>(cluster.primary.connectionString);
  await migrate(writer.db);
  const tables = await writer.db.introspection.getTables();
  const replica = laggingReplica(reader.db, {
    tables: tables.map(({ name }) => name as keyof DB & string),
  });
  replica.catchUp();

  return {
    cluster,
    primary,
    replica: { ...reader, db: replica.db },
    async write(...changes) {
      for (const change of changes) await change(writer.db);
    },
    holdBack: () => replica.freeze(),
    catchUp: async () => replica.catchUp(),
    async end() {
      await replica.release();
      await Promise.all([writer, primary, reader].map((connection) => connection.end()));
      await cluster.stop();
    },
  };
}
