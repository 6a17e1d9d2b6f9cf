import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Databases } from '../databases.ts';

/** How late the standby was at a moment. */
export interface LagSample {
  /** In milliseconds since 1970. */
  readonly at: number;
  /** `null` when one of the two servers did not answer. */
  readonly lagMs: number | null;
}

const INTERVAL_MS = 200;

/**
 * Measures the standby's lag a few times per second, until the signal aborts. Survives servers that are down.
 *
 * The lag is 0 when the standby has replayed the primary's position, and otherwise the age of the last commit that it
 * has replayed. That age alone is too much where writes are rare, so it counts from the last measurement of 0 at the
 * earliest: all that the standby lacks was committed after that.
 */
export async function measureLag(
  databases: Pick<Databases, 'primary' | 'replica'>,
  onSample: (sample: LagSample) => void,
  signal: AbortSignal,
): Promise<void> {
  let caughtUpAt = -Infinity;
  const measure = async (): Promise<number> => {
    const askedAt = performance.now();
    const { caughtUp, ageMs } = await compare(databases);
    if (caughtUp) {
      caughtUpAt = askedAt;
      return 0;
    }
    return Math.min(ageMs, performance.now() - caughtUpAt);
  };
  while (!signal.aborted) {
    const lagMs = await measure().catch(() => null);
    onSample({ at: Date.now(), lagMs });
    await sleep(INTERVAL_MS, undefined, { signal }).catch(() => {});
  }
}

/**
 * What is flushed on the primary can be streamed, and its position is one that a replay reports: the insert position
 * may lie behind the header of a page that is still empty.
 */
async function compare({
  primary,
  replica,
}: Pick<Databases, 'primary' | 'replica'>): Promise<{ caughtUp: boolean; ageMs: number }> {
  const flushed = await sql<{ position: string }>`
    select pg_current_wal_flush_lsn()::text as position`.execute(primary);
  const { rows } = await sql<{ caughtUp: boolean; ageMs: number }>`
    select
      coalesce(pg_last_wal_replay_lsn() >= ${flushed.rows[0]?.position}::pg_lsn, true) as "caughtUp",
      coalesce(
        extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())::float8 * 1000,
        'infinity'
      ) as "ageMs"`.execute(replica);
  return rows[0] ?? { caughtUp: true, ageMs: 0 };
}
