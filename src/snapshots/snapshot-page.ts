/** A snapshot of a run, as a runner gets it. */
export interface Snapshot {
  readonly id: string;
  readonly runId: string;
  readonly executionStatus: string;
  readonly description: string;
  readonly isValid: boolean;
  readonly error: string | null;
  readonly createdAt: Date;
  readonly completedWaitpointOrder: readonly string[];
  /** In `completedWaitpointOrder`, and only on the run's newest snapshot: on every other one it is empty. */
  readonly completedWaitpoints: readonly CompletedWaitpoint[];
}

/** A waitpoint that the run's newest snapshot completed. */
export interface CompletedWaitpoint {
  readonly id: string;
  readonly type: string;
  readonly output: string | null;
  readonly outputType: string;
  readonly outputIsError: boolean;
  readonly completedAt: Date | null;
}

/** The valid snapshots after the one that was asked about, oldest first. */
export interface SnapshotPage {
  readonly snapshots: readonly Snapshot[];
  /** Whether there are more after these: ask again, from the last one. */
  readonly hasMore: boolean;
}

/**
 * Whether the newest snapshot names more waitpoints than have come with it: on a replica, their rows are yet to arrive.
 */
export function isIncomplete({ snapshots, hasMore }: SnapshotPage): boolean {
  const newest = snapshots.at(-1);
  if (newest === undefined || hasMore) return false;
  const arrived = new Set(newest.completedWaitpoints.map((waitpoint) => waitpoint.id));
  return arrived.size < new Set(newest.completedWaitpointOrder).size;
}
