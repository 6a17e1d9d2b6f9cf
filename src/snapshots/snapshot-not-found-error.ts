/** The run has no snapshot with this id: there is nothing to ask "what came after?" of. */
export class SnapshotNotFoundError extends Error {
  override readonly name = 'SnapshotNotFoundError';
  readonly runId: string;
  readonly snapshotId: string;

  constructor({ runId, snapshotId }: { readonly runId: string; readonly snapshotId: string }) {
    super(`Run ${JSON.stringify(runId)} has no snapshot ${JSON.stringify(snapshotId)}.`);
    this.runId = runId;
    this.snapshotId = snapshotId;
  }
}
