import { markErrors } from '../error-mark.ts';

/**
 * The run has no snapshot with this id, so there is nothing to ask "what came after?" of.
 *
 * @example
 * ```ts
 * import { createSnapshotsSince, SnapshotNotFoundError } from 'kysely-replica-fallback/snapshots';
 * import { primary, replica } from './databases.ts'; // two `Kysely<Database>`
 *
 * const since = createSnapshotsSince({ primary, replica });
 *
 * try {
 *   await since({ runId, snapshotId });
 * } catch (error) {
 *   if (!(error instanceof SnapshotNotFoundError)) throw error;
 *   console.warn(`Run ${error.runId} starts anew.`);
 * }
 * ```
 */
export class SnapshotNotFoundError extends Error {
  static {
    markErrors(this, 'SnapshotNotFoundError');
  }
  override readonly name = 'SnapshotNotFoundError';
  readonly runId: string;
  readonly snapshotId: string;

  constructor({ runId, snapshotId }: { readonly runId: string; readonly snapshotId: string }) {
    super(`Run ${JSON.stringify(runId)} has no snapshot ${JSON.stringify(snapshotId)}.`);
    this.runId = runId;
    this.snapshotId = snapshotId;
  }
}
