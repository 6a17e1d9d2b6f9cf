import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Databases } from '../service/databases.ts';

/** How late the standby was at a moment. */
export interface LagSample {
  /** In milliseconds since 1970. */
  readonly at: number;
  /** `null` when one of the two servers did not answer. */
  readonly lagMs: number | null;
}

type TwoDatabases = Pick<Databases, 'primary' | 'replica'>;

/** A commit of the meter's own, and where it stands in the primary's WAL. */
interface Heartbeat {
  readonly committedAt: number;
  readonly position: string;
}

const INTERVAL_MS = 200;
const LONGEST_PAUSE_MS = 20;
/** Less than this is mostly what asking takes, and counts as no lag. */
const NOISE_MS = 3;
/** Enough to tell the lag while it changes. A standby that is paused for hours would collect more. */
const MOST_PENDING = 50;

/**
 * Measures the standby's lag a few times per second, until the signal aborts. Survives servers that are down.
 *
 * By heartbeats: a commit on the primary, and a look at when the standby has replayed it. The age of the last commit
 * that was replayed, which is what many look at, is too much wherever writes are rare, and 0 as soon as they stop.
 */
export async function measureLag(
  databases: TwoDatabases,
  onSample: (sample: LagSample) => void,
  signal: AbortSignal,
): Promise<void> {
  let pending: Heartbeat[] = [];
  let lastLagMs = 0;

  const look = async (): Promise<void> => {
    const replayed = await countReplayed(databases, pending);
    const newest = pending[replayed - 1];
    pending = pending.slice(replayed);
    if (newest === undefined) return;
    const lagMs = performance.now() - newest.committedAt;
    lastLagMs = lagMs < NOISE_MS ? 0 : lagMs;
  };
  const measure = async (): Promise<number> => {
    const heartbeat = await commitHeartbeat(databases);
    const age = (): number => performance.now() - heartbeat.committedAt;
    if (pending.length < MOST_PENDING) pending.push(heartbeat);
    await look();
    while (pending.length > 0 && age() < INTERVAL_MS && !signal.aborted) {
      await sleep(Math.min(age(), LONGEST_PAUSE_MS));
      await look();
    }
    const oldest = pending[0]?.committedAt ?? Infinity;
    return Math.max(lastLagMs, performance.now() - oldest);
  };

  while (!signal.aborted) {
    const next = sleep(INTERVAL_MS, undefined, { signal }).catch(() => {});
    const lagMs = await measure().catch(() => null);
    onSample({ at: Date.now(), lagMs: lagMs && Math.round(lagMs * 10) / 10 });
    await next;
  }
}

/** A message that nobody reads, because what commits without writing leaves nothing to be replayed. */
async function commitHeartbeat({ primary }: TwoDatabases): Promise<Heartbeat> {
  await sql`select pg_logical_emit_message(true, 'lag-lab', '')`.execute(primary);
  const committedAt = performance.now();
  // Not the insert position, which may lie behind the header of a page that is still empty.
  const { rows } = await sql<{ position: string }>`
    select pg_current_wal_flush_lsn()::text as position`.execute(primary);
  return { committedAt, position: rows[0]?.position ?? '0/0' };
}

/** How many of the heartbeats, oldest first, the standby has replayed. A server that is none has all. */
async function countReplayed(
  { replica }: TwoDatabases,
  heartbeats: readonly Heartbeat[],
): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count
    from unnest(${heartbeats.map(({ position }) => position)}::pg_lsn[]) as position
    where coalesce(pg_last_wal_replay_lsn() >= position, true)`.execute(replica);
  return rows[0]?.count ?? 0;
}
