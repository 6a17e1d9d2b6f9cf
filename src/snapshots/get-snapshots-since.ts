import type { AbortableQueryOptions, Kysely } from 'kysely';
import { InvalidOptionError } from '../errors.ts';
import { SnapshotNotFoundError } from './snapshot-not-found-error.ts';
import type { CompletedWaitpoint, Snapshot, SnapshotPage } from './snapshot-page.ts';
import {
  type SnapshotRow,
  type SnapshotsSince,
  snapshotsSinceQuery,
} from './snapshots-since-query.ts';
import type { SnapshotTables } from './tables.ts';

const DEFAULT_LIMIT = 50;
const HIGHEST_LIMIT = 1000;

/**
 * Reads the valid snapshots of a run that came after the given one, oldest first, in one statement on one client.
 *
 * One statement, because several can be answered by several replicas behind one address, each at its own point in time,
 * and a snapshot without its waitpoints leaves a run hanging.
 *
 * @param db - the client to ask; plugins and schemas of its own are respected
 * @param execution - Kysely's `signal` and `inflightQueryAbortStrategy`
 * @throws {@link SnapshotNotFoundError} when the run has no such snapshot
 * @throws InvalidOptionError for a `limit` out of range, or an id that is not a string
 *
 * @example
 * ```ts
 * import { getSnapshotsSince } from 'kysely-replica-fallback/snapshots';
 *
 * const { snapshots, hasMore } = await getSnapshotsSince(db, { runId, snapshotId });
 * ```
 */
export async function getSnapshotsSince<DB>(
  db: Kysely<DB>,
  since: SnapshotsSince,
  execution?: AbortableQueryOptions,
): Promise<SnapshotPage>;
export async function getSnapshotsSince(
  db: Kysely<SnapshotTables>,
  since: SnapshotsSince,
  execution?: AbortableQueryOptions,
): Promise<SnapshotPage> {
  assertSnapshotsSince(since);
  const { limit = DEFAULT_LIMIT } = since;
  const rows = await snapshotsSinceQuery(db, since, limit).execute(execution);
  if (rows.length === 0) throw new SnapshotNotFoundError(since);
  return toPage(rows, limit);
}

/** Throws an `InvalidOptionError` for a question that cannot be asked. */
export function assertSnapshotsSince({ runId, snapshotId, limit }: SnapshotsSince): void {
  assertId('runId', runId);
  assertId('snapshotId', snapshotId);
  if (limit === undefined) return;
  if (Number.isInteger(limit) && limit >= 1 && limit <= HIGHEST_LIMIT) return;
  throw new InvalidOptionError('limit', `an integer from 1 to ${HIGHEST_LIMIT}`, limit);
}

function assertId(option: string, id: unknown): void {
  if (typeof id === 'string' && id !== '') return;
  throw new InvalidOptionError(option, 'a string that is not empty', id);
}

function toPage(rows: readonly SnapshotRow[], limit: number): SnapshotPage {
  const waitpoints = new Map<string, CompletedWaitpoint>();
  const anchorAndLater: Snapshot[] = [];
  for (const row of rows) {
    if (row.waitpointId === null) anchorAndLater.push(toSnapshot(row, []));
    else waitpoints.set(row.waitpointId, toWaitpoint(row));
  }
  const snapshots = anchorAndLater.slice(1, 1 + limit);
  if (anchorAndLater.length > 1 + limit) return { snapshots, hasMore: true };

  const newest = snapshots.pop();
  if (newest === undefined) return { snapshots, hasMore: false };
  const completed = newest.completedWaitpointOrder.flatMap((id) => waitpoints.get(id) ?? []);
  return { snapshots: [...snapshots, toSnapshot(newest, completed)], hasMore: false };
}

function toSnapshot(
  row: Omit<Snapshot, 'completedWaitpoints'>,
  completedWaitpoints: CompletedWaitpoint[],
): Snapshot {
  return {
    id: row.id,
    runId: row.runId,
    executionStatus: row.executionStatus,
    description: row.description,
    isValid: row.isValid,
    error: row.error,
    createdAt: row.createdAt,
    completedWaitpointOrder: row.completedWaitpointOrder,
    completedWaitpoints,
  };
}

function toWaitpoint(row: SnapshotRow & { readonly waitpointId: string }): CompletedWaitpoint {
  return {
    id: row.waitpointId,
    type: row.type,
    output: row.output,
    outputType: row.outputType,
    outputIsError: row.outputIsError,
    completedAt: row.completedAt,
  };
}
