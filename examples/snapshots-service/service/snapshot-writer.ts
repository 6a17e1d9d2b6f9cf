import type { Kysely } from 'kysely';
import type { SnapshotTables } from 'kysely-replica-fallback/snapshots';
import { RequestError } from './problem.ts';
import { uuidV7 } from './uuid-v7.ts';

/**
 * A snapshot that is to be added to a run, with the waitpoints that it completes, in their order.
 */
export interface NewSnapshot {
  readonly executionStatus?: string | undefined;
  readonly description?: string | undefined;
  readonly waitpoints: readonly { readonly output?: string | undefined }[];
}

/** Where a snapshot stands. */
export interface SnapshotKey {
  readonly runId: string;
  readonly snapshotId: string;
}

/** Starts a run with its first snapshot. */
export function createRun(db: Kysely<SnapshotTables>, first: NewSnapshot): Promise<SnapshotKey> {
  return insertSnapshot(db, uuidV7(), first);
}

/**
 * Adds a snapshot to a run.
 *
 * @throws RequestError when there is no such run
 */
export async function appendSnapshot(
  db: Kysely<SnapshotTables>,
  runId: string,
  next: NewSnapshot,
): Promise<SnapshotKey> {
  const run = await db
    .selectFrom('execution_snapshot')
    .select('run_id')
    .where('run_id', '=', runId)
    .limit(1)
    .executeTakeFirst();
  if (run === undefined) throw new RequestError(404, `There is no run "${runId}".`);
  return insertSnapshot(db, runId, next);
}

/** In one transaction, so that nobody sees a snapshot without its waitpoints. */
async function insertSnapshot(
  db: Kysely<SnapshotTables>,
  runId: string,
  { executionStatus, description, waitpoints }: NewSnapshot,
): Promise<SnapshotKey> {
  const snapshotId = uuidV7();
  const completed = waitpoints.map(({ output = null }) => ({
    id: uuidV7(),
    output,
    completed_at: new Date(),
  }));
  await db.transaction().execute(async (transaction) => {
    await transaction
      .insertInto('execution_snapshot')
      .values({
        id: snapshotId,
        run_id: runId,
        execution_status: executionStatus,
        description,
        completed_waitpoint_order: completed.map(({ id }) => id),
      })
      .execute();
    if (completed.length === 0) return;
    await transaction.insertInto('waitpoint').values(completed).execute();
    await transaction
      .insertInto('completed_waitpoint')
      .values(completed.map(({ id }) => ({ snapshot_id: snapshotId, waitpoint_id: id })))
      .execute();
  });
  return { runId, snapshotId };
}
