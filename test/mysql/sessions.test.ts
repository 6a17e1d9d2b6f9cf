import { createReplicaFallback } from 'kysely-replica-fallback';
import {
  createCausalSession,
  gtidCatchUp,
  replicaUnavailable,
} from 'kysely-replica-fallback/mysql';
import { describe, expect, test } from 'vitest';
import { findViolations } from '../support/consistency/find-violations.ts';
import { BRANDS } from '../support/mysql/brands.ts';
import { changeLags, keepSessionsBusy } from '../support/mysql/busy-sessions.ts';
import { openKysely, openMysql2 } from '../support/mysql/clients.ts';
import { startGtidCluster } from '../support/mysql/gtid-cluster.ts';
import { addOrder, createOrders, type OrdersDatabase, PRIMARY } from '../support/mysql/orders.ts';

/** 16 sessions read and write, while replicas lag and change their lag, and are killed. */

const OPERATIONS = Math.min(
  10_000,
  Number(process.env['KYSELY_REPLICA_FALLBACK_TEST_READS'] || 2_000),
);
const KEYS = Array.from({ length: 8 }, (_, index) => `order-${index}`);
const PARALLEL = ['--slave-parallel-threads=4', '--slave-parallel-mode=optimistic'];

const CASES = BRANDS.flatMap(({ brand, obstacle }) => {
  const logged = { title: `on ${brand}`, brand, obstacle, settings: [] as string[] };
  if (brand === 'MySQL') return [logged];
  return [
    logged,
    { ...logged, title: 'on MariaDB with four appliers', settings: PARALLEL },
    {
      ...logged,
      title: 'on MariaDB whose replicas log no updates',
      settings: ['--log-slave-updates=0'],
    },
  ];
});

describe.for(CASES)('$title', ({ brand, obstacle, settings }) => {
  test(
    'sessions see their own writes, and never less than before',
    { timeout: 120_000 + OPERATIONS * 20, retry: 0 },
    async ({ skip }) => {
      skip(obstacle !== undefined, obstacle);
      await using cluster = await startGtidCluster(brand, { replicas: 2, settings });
      const { primary, replicas } = cluster;
      await createOrders(cluster);
      for (const key of KEYS) await addOrder(cluster, key);
      await Promise.all(replicas.map((replica) => replica.catchUp()));
      const read = createReplicaFallback({
        primary: openKysely<OrdersDatabase>(primary.connectionString),
        replica: replicas.map((each) => openKysely<OrdersDatabase>(each.connectionString)),
        isUnavailable: replicaUnavailable,
        catchUp: gtidCatchUp(),
      });
      const lags = changeLags(replicas);

      const busy = await keepSessionsBusy({
        primary: openMysql2(primary.connectionString),
        open: (position) => createCausalSession(read, { position }),
        keys: KEYS,
        operations: OPERATIONS,
      }).finally(() => lags.stop());

      expect(findViolations(busy.history)).toEqual([]);
      const reads = busy.history.filter(({ kind }) => kind === 'read');
      const byReplicas = reads.filter(({ servedBy }) => servedBy !== String(PRIMARY));
      expect(byReplicas.length / reads.length).toBeGreaterThan(0.2);
      expect(new Set(byReplicas.map(({ servedBy }) => servedBy)).size).toBe(2);
      expect(busy.waited).toBeGreaterThan(0);
    },
  );
});
