import { sql } from 'kysely';
import type { ReplicationCluster } from 'kysely-replica-fallback/testing';
import { pollUntil } from '../../src/testing/cluster/poll-until.ts';
import { connect } from './connect.ts';

/** Makes the second standby of a cluster stream from the first. Resolves when it does. */
export async function cascade({ replicas: [first, second] }: ReplicationCluster): Promise<void> {
  if (second === undefined) throw new Error('The cluster has one standby only.');
  const upstream = connect(first.connectionString);
  const downstream = connect(second.connectionString);
  try {
    // Its own word on where it is: containers reach each other on other ports than this process does.
    const { rows } = await sql<{ conninfo: string }>`
      select format('host=%s port=%s user=postgres', host(inet_server_addr()), inet_server_port())
        as conninfo`.execute(upstream.db);
    await sql`alter system set primary_conninfo = ${sql.lit(rows[0]?.conninfo)}`.execute(
      downstream.db,
    );
    await sql`select pg_reload_conf()`.execute(downstream.db);
    const streams = sql`select from pg_stat_replication where state = 'streaming'`;
    await pollUntil(
      async () => (await streams.execute(upstream.db)).rows.length === 1,
      10_000,
      () => 'The second standby does not stream from the first.',
    );
  } finally {
    await Promise.all([upstream.end(), downstream.end()]);
  }
}
