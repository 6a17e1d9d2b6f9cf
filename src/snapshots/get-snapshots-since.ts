import type { Kysely } from 'kysely';
import { assertObject } from '../assert-object.ts';
import { InvalidOptionError } from '../errors.ts';
import { isNonEmptyString } from '../is-non-empty-string.ts';
import { SnapshotNotFoundError } from './snapshot-not-found-error.ts';
import type { CompletedWaitpoint, Snapshot, SnapshotPage } from './snapshot-page.ts';
import {
  type SnapshotRow,
  type SnapshotsSince,
  snapshotsSinceQuery,
} from './snapshots-since-query.ts';
import type { SnapshotTables, WithSnapshotTables } from './tables.ts';

/** Kysely's options of these names, which 0.28 takes no notice of. */
export interface AbortOptions {
  /** Ends the query, with its `reason`, when it aborts. */
  readonly signal?: AbortSignal | undefined;
  /** Default is Kysely's: `'ignore query'`. */
  readonly inflightQueryAbortStrategy?:
    | 'ignore query'
    | 'cancel query'
    | 'kill session'
    | undefined;
}

const DEFAULT_LIMIT = 50;
const HIGHEST_LIMIT = 1000;

/**
 * Reads the valid snapshots of a run that came after the given one, oldest first, in one statement on one client.
 *
 * Polls that each ask from the last snapshot they got lose none, provided that the snapshots of one run are written one
 * after the other, each committed before the next is created, with a `created_at` that does not go back. One that is
 * committed after a later one was read is never returned.
 *
 * After a poll that has no more to come, a runner has the waitpoints of the run's newest valid snapshot: that is the last of
 * `snapshots`, or where there are none, `newest`. So they reach it whatever `limit` it polls with, and whatever was marked
 * invalid meanwhile, provided that a snapshot and what it completed are written in one transaction.
 *
 * One statement, because several can be answered by several replicas behind one address, each at its own point in time,
 * and a snapshot without its waitpoints leaves a run hanging.
 *
 * @param db - the client to ask; plugins and schemas of its own are respected
 * @param execution - what may end the query before it has an answer
 * @throws {@link SnapshotNotFoundError} when the run has no such snapshot
 * @throws InvalidOptionError for a `limit` out of range, or an id that PostgreSQL cannot hold
 *
 * @example
 * ```ts
 * import { getSnapshotsSince } from 'kysely-replica-fallback/snapshots';
 * import { primary } from './databases.ts'; // a `Kysely<Database>`
 *
 * const { snapshots, hasMore } = await getSnapshotsSince(primary, { runId, snapshotId });
 * ```
 */
export async function getSnapshotsSince<DB extends WithSnapshotTables>(
  db: Kysely<DB>,
  since: SnapshotsSince,
  execution?: AbortOptions,
): Promise<SnapshotPage>;
export async function getSnapshotsSince(
  db: Kysely<SnapshotTables>,
  since: SnapshotsSince,
  execution?: AbortOptions,
): Promise<SnapshotPage> {
  const question = checkedSnapshotsSince(since);
  const { runId, snapshotId, limit = DEFAULT_LIMIT } = question;
  const query: AbortableQuery = snapshotsSinceQuery(db, question, limit);
  const rows = await query.execute(execution);
  if (rows.length === 0) throw new SnapshotNotFoundError({ runId, snapshotId });
  return toPage(rows, question, limit);
}

/** As Kysely 0.28 declares it, a query takes no options. */
interface AbortableQuery {
  execute(options: AbortOptions | undefined): Promise<SnapshotRow[]>;
}

/** A copy of the question, which nobody can change while it is asked. Throws when it cannot be asked. */
export function checkedSnapshotsSince(since: SnapshotsSince): SnapshotsSince {
  assertObject('since', 'an object with a `runId` and a `snapshotId`', since);
  const { runId, snapshotId, limit, waitpointsOf } = since;
  assertId('runId', runId);
  assertId('snapshotId', snapshotId);
  if (waitpointsOf !== undefined) assertId('waitpointsOf', waitpointsOf);
  const isValid = Number.isInteger(limit) && Number(limit) >= 1 && Number(limit) <= HIGHEST_LIMIT;
  if (limit === undefined || isValid) return { runId, snapshotId, limit, waitpointsOf };
  throw new InvalidOptionError('limit', `an integer from 1 to ${HIGHEST_LIMIT}`, limit);
}

/** PostgreSQL's text holds no NUL: https://www.postgresql.org/docs/current/datatype-character.html */
function assertId(option: string, id: unknown): void {
  if (isNonEmptyString(id) && !id.includes('\0')) return;
  throw new InvalidOptionError(option, 'a string that is not empty, without a NUL character', id);
}

function toPage(
  rows: readonly SnapshotRow[],
  { waitpointsOf }: SnapshotsSince,
  limit: number,
): SnapshotPage {
  const waitpoints = new Map<string, CompletedWaitpoint>();
  const known: Snapshot[] = [];
  for (const row of rows) {
    if (row.waitpointId === null) known.push(toSnapshot(row, []));
    else waitpoints.set(row.waitpointId, toWaitpoint(row));
  }
  const withWaitpoints = (snapshot: Snapshot): Snapshot => ({
    ...snapshot,
    completedWaitpoints: snapshot.completedWaitpointOrder.flatMap((id) => waitpoints.get(id) ?? []),
  });
  // Of what came after the anchor, all is valid. Before it stands one at most, and only where it is invalid and nothing came.
  if (known.length > 1 && known.at(-1)?.isValid) {
    const snapshots = known.slice(1, 1 + limit);
    const hasMore = known.length > 1 + limit;
    const newest = hasMore ? undefined : snapshots.pop();
    if (newest !== undefined) snapshots.push(withWaitpoints(newest));
    return { snapshots, hasMore };
  }
  const newest = known.find(({ isValid }) => isValid);
  const page = { snapshots: [], hasMore: false };
  return newest === undefined ||
    newest.completedWaitpointOrder.length === 0 ||
    newest.id === waitpointsOf
    ? page
    : { ...page, newest: withWaitpoints(newest) };
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
