/** A snapshot of a run, as a runner gets it. */
export interface Snapshot {
  /** Sorts by creation among the ids of its run. */
  readonly id: string;
  readonly runId: string;
  /** What the run was doing, in the service's own words. Default is `'EXECUTING'`. */
  readonly executionStatus: string;
  /** For people. Default is empty. */
  readonly description: string;
  /** Always `true`: invalid snapshots are not returned. */
  readonly isValid: boolean;
  /** Why it is invalid: `null` for a valid one. */
  readonly error: string | null;
  /** Cut off to milliseconds: to ask what came after this snapshot, use its `id`. */
  readonly createdAt: Date;
  /** The ids of the waitpoints that it completed, in their order; the same id may stand here repeatedly. */
  readonly completedWaitpointOrder: readonly string[];
  /** In `completedWaitpointOrder`, and only on the run's newest valid snapshot: on every other one it is empty. */
  readonly completedWaitpoints: readonly CompletedWaitpoint[];
}

/** A waitpoint that the run's newest valid snapshot completed. */
export interface CompletedWaitpoint {
  readonly id: string;
  /** What kind it is, in the service's own words. Default is `'MANUAL'`. */
  readonly type: string;
  /** What came of it, in the form that `outputType` names. `null` when nothing did. */
  readonly output: string | null;
  /** The media type of `output`. Default is `'application/json'`. */
  readonly outputType: string;
  /** Whether `output` describes an error. */
  readonly outputIsError: boolean;
  /** When it was completed, or `null` when that was not written down. */
  readonly completedAt: Date | null;
}

/** The valid snapshots after the one that was asked about, oldest first. */
export interface SnapshotPage {
  readonly snapshots: readonly Snapshot[];
  /** Whether there are more after these: ask again, from the last one. */
  readonly hasMore: boolean;
  /**
   * Only when nothing came after the anchor, and the run's newest valid snapshot completed waitpoints: that one, with them. It is
   * the anchor, or where that is invalid, one before it. They may not have come yet: because there was more to come when the
   * snapshot came, or because a later one, now invalid, was the newest then. `waitpointsOf` says that they have.
   */
  readonly newest?: Snapshot;
}

/**
 * Whether the newest snapshot names more waitpoints than have come with it: on a replica, their rows are yet to arrive.
 */
export function isIncomplete({
  snapshots,
  hasMore,
  newest = snapshots.at(-1),
}: SnapshotPage): boolean {
  if (newest === undefined || hasMore) return false;
  const arrived = new Set(newest.completedWaitpoints.map((waitpoint) => waitpoint.id));
  return arrived.size < new Set(newest.completedWaitpointOrder).size;
}
