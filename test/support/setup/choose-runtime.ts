import { resolveClusterOptions } from '../../../src/testing/cluster/cluster-options.ts';
import { findContainerObstacle } from '../../../src/testing/cluster/containers/container-probe.ts';

/** Looks for a Docker engine once, and not in each file. */
export default async function setup(): Promise<void> {
  const { runtime, image } = resolveClusterOptions({}, process.env);
  if (runtime !== 'auto') return;
  process.env['KYSELY_REPLICA_FALLBACK_TEST_RUNTIME'] =
    (await findContainerObstacle(image)) === undefined ? 'testcontainers' : 'embedded';
}
