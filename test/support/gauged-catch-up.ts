import type { CatchUp } from 'kysely-replica-fallback';
import { type KyselyClient, walCatchUp } from 'kysely-replica-fallback/postgres';

/** How many queries there were, and how many of them at once at most. */
export interface Gauge {
  readonly total: number;
  readonly most: number;
}

/** `walCatchUp`, with all its shared queries counted. */
export interface GaugedCatchUp {
  readonly catchUp: CatchUp<KyselyClient>;
  readonly positionQueries: Gauge;
  /** By replica. */
  watchQueries(replica: KyselyClient): Gauge;
}

export function gaugedCatchUp(): GaugedCatchUp {
  const wal = walCatchUp();
  const positionQueries = new RunningGauge();
  const byReplica = new Map<KyselyClient, RunningGauge>();
  const watchQueries = (replica: KyselyClient): RunningGauge => {
    const gauge = byReplica.get(replica) ?? new RunningGauge();
    byReplica.set(replica, gauge);
    return gauge;
  };
  return {
    positionQueries,
    watchQueries,
    catchUp: {
      ...wal,
      position: (primary) => positionQueries.measure(wal.position(primary)),
      replayed: (replica) => watchQueries(replica).measure(wal.replayed(replica)),
      whenReplayed(replica, position, timeoutMs) {
        const answer = wal.whenReplayed?.(replica, position, timeoutMs);
        return answer && watchQueries(replica).measure(answer);
      },
    },
  };
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
