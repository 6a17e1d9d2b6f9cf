import { createPrimaryBudget } from 'kysely-replica-fallback';
import { replicaUnavailable, walCatchUp } from 'kysely-replica-fallback/postgres';
import { createSnapshotsSince, SnapshotNotFoundError } from 'kysely-replica-fallback/snapshots';
import { type App, createApp } from './app.ts';
import { ClientGoneError } from './client-gone.ts';
import type { Config } from './config.ts';
import type { Databases } from './databases.ts';
import type { Log } from './log.ts';
import { createMetrics } from './metrics.ts';

/** The name that the service's dashboards know the counter of misses by. */
const MISS_COUNTER = 'run_engine.snapshots_since.replica_miss';

/**
 * The service: reads go to the replica first, and to the primary when the replica cannot know yet, or cannot answer. With
 * `catchUp`, a read that misses waits just until the replica has what the primary had. A budget keeps most of the load away
 * from the primary when the replica is gone for longer.
 */
export function createService(
  { primary, replica }: Databases,
  { enabled, retryMs, catchUp }: Pick<Config, 'enabled' | 'retryMs' | 'catchUp'>,
  log: Log,
): App {
  const metrics = createMetrics();
  const since = createSnapshotsSince({
    primary,
    replica,
    enabled,
    retryMs,
    catchUp: catchUp ? walCatchUp() : undefined,
    isUnavailable: replicaUnavailable,
    primaryBudget: createPrimaryBudget(),
    meter: metrics.meter,
    missCounter: MISS_COUNTER,
    logger: {
      warn: log.warn,
      error(message, report) {
        if (report.error instanceof ClientGoneError) {
          log.info('A client hung up before its read ended.', report);
        } else if (report.error instanceof SnapshotNotFoundError) {
          log.info('A client asked about a snapshot that does not exist.', report);
        } else log.error(message, report);
      },
    },
  });
  return createApp({ databases: { primary, replica }, since, metrics, log });
}

/**
 * The same service as it would be without the fallback: reads go to the replica, and that is that.
 */
export function createServiceWithoutFallback({ primary, replica }: Databases, log: Log): App {
  const since = createSnapshotsSince({ primary: replica });
  return createApp({ databases: { primary, replica }, since, metrics: createMetrics(), log });
}
