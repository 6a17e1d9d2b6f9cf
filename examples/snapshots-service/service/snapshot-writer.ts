import { type Kysely, sql } from 'kysely';
import { SnapshotNotFoundError, type SnapshotTables } from 'kysely-replica-fallback/snapshots';
import { v7 as uuidV7 } from 'uuid';
import { RunNotFoundError } from './run-not-found-error.ts';

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

type Db = Kysely<SnapshotTables>;

/** Starts a run with its first snapshot. */
export function createRun(db: Db, first: NewSnapshot): Promise<SnapshotKey> {
  return inTransaction(db, (transaction) => insertSnapshot(transaction, uuidV7(), first));
}

/**
 * Adds a snapshot to a run.
 *
 * @throws RunNotFoundError when there is no such run
 */
export function appendSnapshot(db: Db, runId: string, next: NewSnapshot): Promise<SnapshotKey> {
  return inTransaction(db, async (transaction) => {
    await lockRun(transaction, runId);
    const run = await transaction
      .selectFrom('execution_snapshot')
      .select('run_id')
      .where('run_id', '=', runId)
      .limit(1)
      .executeTakeFirst();
    if (run === undefined) throw new RunNotFoundError(runId);
    return insertSnapshot(transaction, runId, next);
  });
}

/**
 * Changes the description of a snapshot.
 *
 * @throws SnapshotNotFoundError when the run does not have it
 */
export async function describeSnapshot(
  db: Db,
  key: SnapshotKey,
  description: string,
): Promise<void> {
  const { numUpdatedRows } = await db
    .updateTable('execution_snapshot')
    .set({ description })
    .where('run_id', '=', key.runId)
    .where('id', '=', key.snapshotId)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) throw new SnapshotNotFoundError(key);
}

/**
 * Readers see a snapshot together with its waitpoints. With "read committed", each statement sees
 * what was committed while the one before it waited for a lock.
 */
function inTransaction<T>(db: Db, write: (transaction: Db) => Promise<T>): Promise<T> {
  return db.transaction().setIsolationLevel('read committed').execute(write);
}

/**
 * Makes the snapshots of a run be written one after the other, each committed before the next one
 * is created. Otherwise an earlier snapshot could be committed after a later one has been read, and
 * a runner that asks what came after the later one would never see it.
 */
async function lockRun(transaction: Db, runId: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${runId}, 0))`.execute(transaction);
}

/** Later than the run's last snapshot, even after the clock was set back. */
function createdAfterTheLast(runId: string) {
  return sql<Date>`greatest(
    clock_timestamp(),
    (select max(created_at) + interval '1 microsecond' from execution_snapshot where run_id = ${runId})
  )`;
}

async function insertSnapshot(
  transaction: Db,
  runId: string,
  { executionStatus, description, waitpoints }: NewSnapshot,
): Promise<SnapshotKey> {
  const snapshotId = uuidV7();
  const completed = waitpoints.map(({ output = null }) => ({
    id: uuidV7(),
    output,
    completed_at: new Date(),
  }));
  await transaction
    .insertInto('execution_snapshot')
    .values({
      id: snapshotId,
      run_id: runId,
      execution_status: executionStatus,
      description,
      completed_waitpoint_order: completed.map(({ id }) => id),
      created_at: createdAfterTheLast(runId),
    })
    .execute();
  if (completed.length > 0) {
    await transaction.insertInto('waitpoint').values(completed).execute();
    await transaction
      .insertInto('completed_waitpoint')
      .values(completed.map(({ id }) => ({ snapshot_id: snapshotId, waitpoint_id: id })))
      .execute();
  }
  return { runId, snapshotId };
}
