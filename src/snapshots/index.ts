export {
  createSnapshotsSince,
  type ReadSnapshotsSince,
  type SnapshotsSinceOptions,
} from './create-snapshots-since.ts';
export { type AbortOptions, getSnapshotsSince } from './get-snapshots-since.ts';
export { SnapshotNotFoundError } from './snapshot-not-found-error.ts';
export type { CompletedWaitpoint, Snapshot, SnapshotPage } from './snapshot-page.ts';
export type { SnapshotsSince } from './snapshots-since-query.ts';
export {
  type CompletedWaitpointTable,
  createSnapshotTables,
  dropSnapshotTables,
  type ExecutionSnapshotTable,
  type SnapshotTables,
  type WaitpointTable,
  type WithSnapshotTables,
} from './tables.ts';
