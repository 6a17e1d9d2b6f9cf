import type { TestProject } from 'vitest/node';
import { type ReplicationCluster, startReplicationCluster } from '../../../src/testing/index.ts';

/** Started once in a run, although each project loads this module for itself. */
const STARTED = Symbol.for('kysely-replica-fallback/test/clusters');
const run = globalThis as { [STARTED]?: Promise<ReplicationCluster[]> };

/** Starts a cluster for each worker, with two standbys. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const clusters = await (run[STARTED] ??= startClusters(project.config.maxWorkers));
  project.provide(
    'clusters',
    clusters.map(({ runtime, description, primary, replicas }) => ({
      runtime,
      description,
      primary: primary.connectionString,
      replicas: replicas.map(({ connectionString }) => connectionString),
    })),
  );
  return async () => void (await Promise.all(clusters.map((cluster) => cluster.stop())));
}

async function startClusters(workers: number): Promise<ReplicationCluster[]> {
  const clusters = await Promise.all(
    Array.from({ length: workers }, () => startReplicationCluster({ replicas: 2 })),
  );
  process.stdout.write(`Tests run on ${clusters[0]?.description}\n`);
  return clusters;
}
