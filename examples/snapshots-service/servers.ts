import { type Replica, startReplicationCluster } from 'kysely-replica-fallback/testing';
import type { DatabaseUrls } from './service/config.ts';

/** A primary and a standby. */
export interface Servers {
  /** One line for humans. */
  readonly description: string;
  readonly urls: DatabaseUrls;
  /** The controls of the standby. Servers of one's own are left alone, and have none. */
  readonly standby: Replica | undefined;
  /** Stops the servers and removes what they wrote, if it was this example that started them. */
  stop(): Promise<void>;
}

/** Starts a primary and its standby, unless there are some already. */
export async function startServers(own: DatabaseUrls | undefined): Promise<Servers> {
  if (own !== undefined) {
    const description = 'the servers of `DATABASE_URL` and `REPLICA_DATABASE_URL`';
    return { description, urls: own, standby: undefined, stop: async () => {} };
  }
  const cluster = await startReplicationCluster({ runtime: 'embedded' });
  const [standby] = cluster.replicas;
  return {
    description: cluster.description,
    urls: { primary: cluster.primary.connectionString, replica: standby.connectionString },
    standby,
    stop: () => cluster.stop(),
  };
}
