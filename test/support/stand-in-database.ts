import { sql } from 'kysely';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import { connect } from './connect.ts';
import type { Change, ReplicatedDatabase } from './replicated-database.ts';

/**
 * On the primary alone: a second database, to which the changes are made when the test says so, stands in for the
 * replica.
 */
export async function startStandInDatabase<DB>(
  migrate: Change<DB>,
): Promise<ReplicatedDatabase<DB>> {
  const cluster = await startReplicationCluster();
  const url = new URL(cluster.primary.connectionString);
  const writer = connect<DB>(url.href);
  await sql`create database stand_in`.execute(writer.db);
  const primary = connect<DB>(url.href);
  url.pathname = 'stand_in';
  const follower = connect<DB>(url.href);
  const replica = connect<DB>(url.href);
  const pending: Change<DB>[] = [];
  let isHeldBack = false;

  const catchUp = async () => {
    for (const change of pending.splice(0)) await change(follower.db);
    isHeldBack = false;
  };
  const write = async (...changes: readonly Change<DB>[]) => {
    for (const change of changes) await change(writer.db);
    pending.push(...changes);
    if (!isHeldBack) await catchUp();
  };
  await write(migrate);

  return {
    cluster,
    primary,
    replica,
    write,
    async holdBack() {
      isHeldBack = true;
    },
    catchUp,
    async end() {
      const connections = [writer, follower, primary, replica];
      await Promise.all(connections.map((connection) => connection.end()));
      await cluster.stop();
    },
  };
}
