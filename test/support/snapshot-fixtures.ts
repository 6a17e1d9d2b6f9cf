import { type Kysely, sql } from 'kysely';
import type { SnapshotPage, SnapshotTables } from 'kysely-replica-fallback/snapshots';

type Change = (db: Kysely<SnapshotTables>) => Promise<unknown>;

interface SnapshotFixture {
  readonly id: string;
  /** In microseconds from `START`. Default is the snapshot's place in the list. */
  readonly at?: number;
  readonly isValid?: boolean;
  readonly completedWaitpointOrder?: readonly string[];
}

/** When all runs begin. */
export const START = new Date('2026-01-01T00:00:00Z');

/** Inserts snapshots into a run, the last one first, so that no order comes from the table by itself. */
export function addSnapshots(
  runId: string,
  ...snapshots: readonly (string | SnapshotFixture)[]
): Change {
  const rows = snapshots.map((snapshot, place) => {
    const fixture = typeof snapshot === 'string' ? { id: snapshot } : snapshot;
    const { id, at = place, isValid = true, completedWaitpointOrder = [] } = fixture;
    return {
      id,
      run_id: runId,
      is_valid: isValid,
      completed_waitpoint_order: [...completedWaitpointOrder],
      created_at: sql<Date>`${START}::timestamptz + ${at} * interval '1 microsecond'`,
    };
  });
  return (db) => db.insertInto('execution_snapshot').values(rows.toReversed()).execute();
}

/** Inserts waitpoints where they are new, and what joins them to the snapshot that completed them. */
export function addWaitpoints(snapshotId: string, ...ids: readonly string[]): Change {
  return async (db) => {
    await db
      .insertInto('waitpoint')
      .values(ids.map((id) => ({ id })))
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    await db
      .insertInto('completed_waitpoint')
      .values(ids.map((id) => ({ snapshot_id: snapshotId, waitpoint_id: id })))
      .execute();
  };
}

/** What most tests want to know of a page: `'id'`, or `'id: waitpoints'`, and `'…'` when there is more. */
export function outline({ snapshots, hasMore }: SnapshotPage): string[] {
  const lines = snapshots.map(({ id, completedWaitpoints }) =>
    [id, ...completedWaitpoints.map((waitpoint) => waitpoint.id)].join(' '),
  );
  return hasMore ? [...lines, '…'] : lines;
}
