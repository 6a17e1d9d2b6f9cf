import { afterAll, beforeAll, beforeEach, describe } from 'vitest';
import { BRANDS, type Brand } from './brands.ts';
import { type GtidCluster, startGtidCluster } from './gtid-cluster.ts';

/**
 * Defines the same tests on a cluster of MariaDB and on one of MySQL. They are skipped where it is not installed.
 *
 * @param prepare - what a cluster gets before the first test: a hook of the tests would also run where they are skipped
 */
export function onEachBrand(
  define: (cluster: () => GtidCluster, brand: Brand['brand']) => void,
  prepare: (cluster: GtidCluster) => Promise<void> = async () => {},
): void {
  describe.for(BRANDS)('on $brand', ({ brand, obstacle }) => {
    let cluster: GtidCluster | undefined;
    beforeAll(async () => {
      if (obstacle !== undefined) return;
      cluster = await startGtidCluster(brand);
      await prepare(cluster);
    });
    afterAll(() => cluster?.[Symbol.asyncDispose]());
    beforeEach(({ skip }) => skip(obstacle !== undefined, obstacle));

    define(() => {
      if (cluster === undefined) throw new Error('The cluster is not there.');
      return cluster;
    }, brand);
  });
}
