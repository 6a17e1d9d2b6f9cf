/** What a service has done so far to learn how long its reads have to wait. */
export interface CatchUpCounts {
  /** Queries that asked the primary for its position. */
  readonly positionQueries: number;
  /** Reads that did not wait for the whole window, because the standby could not have made it. */
  readonly hopeless: number;
}

/** @param metrics - what the service answers on `/metrics` */
export function readCatchUpCounts(metrics: string): CatchUpCounts {
  const sum = (sample: RegExp): number =>
    [...metrics.matchAll(sample)].reduce((total, [, count]) => total + Number(count), 0);
  return {
    positionQueries: sum(/^replica_fallback_position_queries_total\{.*\} (\d+)$/gm),
    hopeless: sum(/^replica_fallback_catch_up_duration_count\{.*end="hopeless".*\} (\d+)$/gm),
  };
}

export function countsSince(before: CatchUpCounts, now: CatchUpCounts): CatchUpCounts {
  return {
    positionQueries: now.positionQueries - before.positionQueries,
    hopeless: now.hopeless - before.hopeless,
  };
}
