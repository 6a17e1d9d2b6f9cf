import type { CatchUp } from 'kysely-replica-fallback';
import { createCatchUp, type PositionSource } from 'kysely-replica-fallback/catch-up';
import type { KyselyClient } from 'kysely-replica-fallback/postgres';
import { walSource } from './wal-source.ts';

/** How many queries there were, and how many of them at once at most. */
interface Gauge {
  readonly total: number;
  readonly most: number;
}

/** `walCatchUp`, with all its shared queries counted. */
export interface GaugedCatchUp {
  readonly catchUp: CatchUp<KyselyClient>;
  /** Whose queries are counted. */
  readonly source: PositionSource<KyselyClient>;
  readonly positionQueries: Gauge;
  /** By replica. */
  watchQueries(replica: KyselyClient): Gauge;
}

export function gaugedCatchUp(): GaugedCatchUp {
  const wal = walSource();
  const positionQueries = new RunningGauge();
  const byReplica = new Map<KyselyClient, RunningGauge>();
  const watchQueries = (replica: KyselyClient): RunningGauge => {
    const gauge = byReplica.get(replica) ?? new RunningGauge();
    byReplica.set(replica, gauge);
    return gauge;
  };
  const source: PositionSource<KyselyClient> = {
    ...wal,
    position: (primary) => positionQueries.measure(wal.position(primary)),
    replayed: (replica) => watchQueries(replica).measure(wal.replayed(replica)),
    whenReplayed(replica, position, timeoutMs) {
      const answer = wal.whenReplayed?.(replica, position, timeoutMs);
      return answer && watchQueries(replica).measure(answer);
    },
  };
  return { positionQueries, watchQueries, source, catchUp: createCatchUp(source) };
}

class RunningGauge implements Gauge {
  total = 0;
  most = 0;
  #running = 0;

  async measure<T>(query: Promise<T>): Promise<T> {
    this.total++;
    this.most = Math.max(this.most, ++this.#running);
    try {
      return await query;
    } finally {
      this.#running--;
    }
  }
}
