export type { Primary, ReplicationCluster } from './replication-cluster.ts';
export type { ReplicationClusterOptions, ReplicationRuntime } from './cluster-options.ts';
export type { Replica, WaitForReplayOptions } from './replica.ts';
export { startReplicationCluster } from './replication-cluster.ts';
