export type { Primary, ReplicationCluster } from './replication-cluster.ts';
export type { ReplicationClusterOptions, ReplicationRuntime } from './cluster-options.ts';
export type { Replica, WaitForReplayOptions } from './replica.ts';
export { startReplicationCluster } from './replication-cluster.ts';
export type { LaggingReplica } from './lagging-replica.ts';
export type { LaggingReplicaAnswer } from './lag.ts';
export type { LaggingReplicaOptions } from './lagging-replica-options.ts';
export { laggingReplica } from './lagging-replica.ts';
