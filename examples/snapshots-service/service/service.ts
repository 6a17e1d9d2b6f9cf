import { createPrimaryBudget, type ReadReport } from 'kysely-replica-fallback';
import { replicaUnavailable, walCatchUp } from 'kysely-replica-fallback/postgres';
import { createSnapshotsSince, SnapshotNotFoundError } from 'kysely-replica-fallback/snapshots';
import { createSessions } from '../../causal-sessions/sessions.ts';
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
  const options = {
    primary,
    replica,
    enabled,
    retryMs,
    isUnavailable: replicaUnavailable,
    primaryBudget: createPrimaryBudget(),
    meter: metrics.meter,
    logger: {
      warn: log.warn,
      error(message: string, report: ReadReport) {
        const { error } = report;
        if (error instanceof ClientGoneError) {
          log.info('A client hung up before its read ended.', report);
        } else if (error instanceof SnapshotNotFoundError) {
          // It is the true answer, so nobody has to look for where it came from.
          const what = 'A client asked about a snapshot that does not exist.';
          log.info(what, { ...report, error: error.message });
        } else log.error(message, report);
      },
    },
  };
  const since = createSnapshotsSince({
    ...options,
    catchUp: catchUp ? walCatchUp() : undefined,
    missCounter: MISS_COUNTER,
  });
  const sessions = createSessions(options);
  return createApp({ databases: { primary, replica }, since, sessions, metrics, log });
}

/**
 * The same service as it would be without the fallback: what came after a snapshot, the replica says, and that is that.
 */
export function createServiceWithoutFallback({ primary, replica }: Databases, log: Log): App {
  const since = createSnapshotsSince({ primary: replica });
  const sessions = createSessions({ primary, replica });
  const metrics = createMetrics();
  return createApp({ databases: { primary, replica }, since, sessions, metrics, log });
}
