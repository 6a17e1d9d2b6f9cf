import { runSql } from './sql.ts';

/** How far a standby has come towards a WAL position. */
export interface ReplayProgress {
  readonly reached: boolean;
  /** The position after the last record that was replayed, e.g. `0/3000148`. */
  readonly position: string;
  readonly pauseState: 'not paused' | 'pause requested' | 'paused';
}

/**
 * The position after all that was committed, or written by a transaction that is open. Committing a record that means nothing
 * flushes all of it, so that the standby gets there.
 */
export async function flushPosition(primary: string): Promise<string> {
  const [row] = await runSql<{ position: string }>(primary, {
    text: `select pg_logical_emit_message(true, 'kysely-replica-fallback', '')::text as position`,
  });
  if (row === undefined) throw new Error('The primary gave no WAL position.');
  return row.position;
}

export async function readReplayProgress(standby: string, target: string): Promise<ReplayProgress> {
  const [row] = await runSql<{
    reached: boolean;
    position: string;
    pauseState: ReplayProgress['pauseState'];
  }>(standby, {
    text: `
      select
        pg_last_wal_replay_lsn() >= $1::pg_lsn as reached,
        pg_last_wal_replay_lsn()::text as position,
        pg_get_wal_replay_pause_state() as "pauseState"`,
    values: [target],
  });
  if (row === undefined) throw new Error('The replica gave no WAL position.');
  return row;
}

export async function readPauseState(standby: string): Promise<ReplayProgress['pauseState']> {
  return (await readReplayProgress(standby, '0/0')).pauseState;
}

/** In milliseconds, whatever unit `show` would pick. */
export async function readApplyDelay(standby: string): Promise<number> {
  const [row] = await runSql<{ setting: string }>(standby, {
    text: `select setting from pg_settings where name = 'recovery_min_apply_delay'`,
  });
  return Number(row?.setting);
}
