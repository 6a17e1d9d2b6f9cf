import type { Kysely } from 'kysely';
import type { ReplicationCluster } from 'kysely-replica-fallback/testing';
import { afterAll } from 'vitest';
import { type Connection, connect } from './connect.ts';
import { openSharedCluster } from './shared-cluster.ts';

export type Change<DB> = (db: Kysely<DB>) => Promise<unknown>;

/** A database whose replica shows what a test wants it to show. */
export interface ReplicatedDatabase<DB> {
  readonly cluster: ReplicationCluster;
  /** For reads, as `replica` is: what `write` does is not among its queries. */
  readonly primary: Connection<DB>;
  readonly replica: Connection<DB>;
  /** Changes the primary. The replica follows before this resolves, unless it is held back. */
  write(...changes: readonly Change<DB>[]): Promise<void>;
  /** Keeps from the replica what is written from now on, until it catches up. */
  holdBack(): Promise<void>;
  /** Resolves when the replica shows all that was written. */
  catchUp(): Promise<void>;
  end(): Promise<void>;
}

/** As `startReplicatedDatabase`, until all tests of the file have ended. */
export async function replicatedDatabase<DB>(
  migrate: Change<DB>,
  start?: () => Promise<ReplicationCluster>,
): Promise<ReplicatedDatabase<DB>> {
  const database = await startReplicatedDatabase(migrate, start);
  afterAll(() => database.end());
  return database;
}

/**
 * On a primary and its streaming standby.
 *
 * @param start - for tests that stop, kill or promote a server; by default, files share servers
 */
export async function startReplicatedDatabase<DB>(
  migrate: Change<DB>,
  start: () => Promise<ReplicationCluster> = openSharedCluster,
): Promise<ReplicatedDatabase<DB>> {
  const cluster = await start();
  const [standby] = cluster.replicas;
  const writer = connect<DB>(cluster.primary.connectionString);
  const primary = connect<DB>(cluster.primary.connectionString);
  const replica = connect<DB>(standby.connectionString);
  let isHeldBack = false;

  const write = async (...changes: readonly Change<DB>[]) => {
    for (const change of changes) await change(writer.db);
    if (!isHeldBack) await standby.waitForReplay();
  };
  await write(migrate);

  return {
    cluster,
    primary,
    replica,
    write,
    async holdBack() {
      await standby.pauseReplay();
      isHeldBack = true;
    },
    async catchUp() {
      await standby.resumeReplay();
      await standby.waitForReplay();
      isHeldBack = false;
    },
    async end() {
      await Promise.all([writer, primary, replica].map((connection) => connection.end()));
      await cluster.stop();
    },
  };
}
