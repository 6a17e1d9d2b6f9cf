import { runSql } from './sql.ts';

/** How far a standby has come towards a WAL position. */
export interface ReplayProgress {
  readonly reached: boolean;
  /** The position after the last record that was replayed, e.g. `0/3000148`. */
  readonly position: string;
  readonly pauseState: 'not paused' | 'pause requested' | 'paused';
}

/**
 * The position after the last record that was written. At the start of a page the server gives the position behind the
 * page's header (24 bytes; 40 in the first page of a segment), which no replay reports until there is a next record.
 */
export async function readInsertPosition(primary: string): Promise<string> {
  const [row] = await runSql<{ position: string }>(primary, {
    text: `
      select (insert_lsn - case
        when bytes % pg_size_bytes(current_setting('wal_segment_size')) = 40 then 40
        when bytes % current_setting('wal_block_size')::int = 24 then 24
        else 0
      end)::text as position
      from pg_current_wal_insert_lsn() as insert_lsn, lateral (select insert_lsn - '0/0') as offsets (bytes)`,
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
