import type { Kysely } from 'kysely';
import type { SnapshotTables } from 'kysely-replica-fallback/snapshots';

const MOST_LISTED = 50;

/** A run's newest snapshots, newest first. Every run has one. */
export function listSnapshots(db: Kysely<SnapshotTables>, runId: string) {
  return db
    .selectFrom('execution_snapshot')
    .select(['id', 'description', 'created_at as createdAt'])
    .where('run_id', '=', runId)
    .where('is_valid', '=', true)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(MOST_LISTED)
    .execute();
}
