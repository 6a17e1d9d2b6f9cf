import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import type { Replica, ReplicationCluster } from 'kysely-replica-fallback/testing';
import { inject } from 'vitest';
import { createReplica } from '../../src/testing/cluster/replica.ts';
import { connect } from './connect.ts';

/** A cluster that the files which one worker runs share, one after the other. */
interface SharedCluster extends Pick<ReplicationCluster, 'runtime' | 'description'> {
  readonly primary: string;
  readonly replicas: readonly string[];
}

declare module 'vitest' {
  interface ProvidedContext {
    /** One for each worker. */
    readonly clusters: readonly SharedCluster[];
  }
}

/**
 * The worker's cluster with its two standbys, and a database that `stop` drops. Replay may be paused and delayed, but no
 * server can be stopped: a test that does so starts a cluster of its own. The next file undoes `alter system`.
 */
export async function openSharedCluster(): Promise<ReplicationCluster> {
  const cluster = inject('clusters')[Number(process.env['VITEST_POOL_ID']) - 1];
  if (cluster === undefined) throw new Error('This worker has no cluster.');
  const replicas = cluster.replicas.map((connectionString) =>
    createReplica({ connectionString, ...REFUSE }, cluster.primary),
  );
  const name = `test_${randomUUID()}`;
  const inDatabase = <Server extends { connectionString: string }>(server: Server): Server => {
    const url = new URL(server.connectionString);
    url.pathname = name;
    return { ...server, connectionString: url.href };
  };

  const administer = async (command: 'create' | 'drop', options = sql``) => {
    const admin = connect(cluster.primary);
    await sql`${sql.raw(command)} database ${sql.id(name)} ${options}`.execute(admin.db);
    await admin.end();
  };
  const stop = async () => {
    await Promise.all(replicas.map(endLag));
    await administer('drop', sql`with (force)`);
  };

  // The file before this one may have been cut off.
  await Promise.all(replicas.map(endLag));
  await Promise.all([cluster.primary, ...cluster.replicas].map(resetSettings));
  await administer('create');
  await Promise.all(replicas.map((replica) => replica.waitForReplay()));
  const [replica, ...others] = replicas.map(inDatabase);
  if (replica === undefined) throw new Error('The cluster has no replica.');
  return {
    ...cluster,
    primary: inDatabase({ connectionString: cluster.primary, ...REFUSE }),
    replicas: [replica, ...others],
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function endLag(replica: Replica): Promise<void> {
  await replica.resumeReplay();
  await replica.setApplyDelay(0);
}

/** Undoes what `alter system` has set, but for what makes a standby one. */
async function resetSettings(connectionString: string): Promise<void> {
  const server = connect(connectionString);
  const { db } = server;
  const { rows } = await sql<{ name: string }>`
    select name from pg_file_settings
    where sourcefile like '%/postgresql.auto.conf' and name <> 'primary_conninfo'`.execute(db);
  for (const { name } of rows) await sql`alter system reset ${sql.id(name)}`.execute(db);
  await sql`select pg_reload_conf()`.execute(db);
  await server.end();
}

const refuse = () => {
  throw new Error('Other files use this server, too. Start a cluster of your own to stop it.');
};
const REFUSE = { start: refuse, stop: refuse, restart: refuse, kill: refuse };
