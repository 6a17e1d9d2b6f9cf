import { type Kysely, sql } from 'kysely';
import type { CompletedWaitpoint, Snapshot } from './snapshot-page.ts';
import type { SnapshotTables } from './tables.ts';

/** The question "what came after this snapshot of this run?". */
export interface SnapshotsSince {
  readonly runId: string;
  /** The anchor: the last snapshot that is known. It has to be one of this run; an invalid one will do. */
  readonly snapshotId: string;
  /** How many snapshots to return at most, the oldest ones: 1 to 1,000. Default is 50. */
  readonly limit?: number | undefined;
}

/**
 * The rows of the statement: the anchor, then what came after it, oldest first, then the waitpoints of the run's newest
 * snapshot. No row at all means that there is no anchor.
 */
export type SnapshotRow =
  | (SnapshotFields & Nulls<WaitpointFields>)
  | (WaitpointFields & Nulls<SnapshotFields>);

type SnapshotFields = Omit<Snapshot, 'completedWaitpoints'>;
type WaitpointFields = Omit<CompletedWaitpoint, 'id'> & { readonly waitpointId: string };
type Nulls<Fields> = { readonly [Field in keyof Fields]: null };

/**
 * The one statement. Its aliases are in camel case, which comes out the same with and without `CamelCasePlugin`.
 */
export function snapshotsSinceQuery(
  db: Kysely<SnapshotTables>,
  { runId, snapshotId }: SnapshotsSince,
  limit: number,
) {
  const anchorAndLater = limit + 1;
  return db
    .with('page', (qc) =>
      qc
        .selectFrom('execution_snapshot')
        .selectAll()
        .where('run_id', '=', runId)
        .where((eb) => eb.or([eb('is_valid', '=', true), eb('id', '=', snapshotId)]))
        .where((eb) =>
          eb(
            eb.refTuple('created_at', 'id'),
            '>=',
            // Null without an anchor, and then nothing is "after" it.
            eb.tuple(
              eb
                .selectFrom('execution_snapshot')
                .select('created_at')
                .where('id', '=', snapshotId)
                .where('run_id', '=', runId),
              snapshotId,
            ),
          ),
        )
        .orderBy('created_at')
        .orderBy('id')
        // One too many tells whether there are more. As a subselect, which the planner does not look into: of a limit
        // that it does not know it expects to be met early, and reads the index in order. Otherwise it reads and sorts
        // all of a run that has grown long since the table was analyzed.
        .limit(sql<number>`(select ${anchorAndLater + 1}::bigint)`),
    )
    .with('completed', (qc) =>
      qc
        .selectFrom('completed_waitpoint')
        .innerJoin('waitpoint', 'waitpoint.id', 'completed_waitpoint.waitpoint_id')
        .selectAll('waitpoint')
        .where('completed_waitpoint.snapshot_id', '=', (eb) =>
          eb
            .selectFrom('page')
            .select('page.id')
            .where('page.id', '!=', snapshotId)
            .orderBy('page.created_at', 'desc')
            .orderBy('page.id', 'desc')
            .limit(1),
        )
        // With more to come, the newest of the page is not the newest of the run.
        .where(
          (eb) => eb.selectFrom('page').select(eb.fn.countAll().as('count')),
          '<=',
          anchorAndLater,
        ),
    )
    .selectFrom('page')
    .fullJoin('completed', (join) => join.on((eb) => eb.lit(false))) // one below the other
    .select([
      'page.id as id',
      'page.run_id as runId',
      'page.execution_status as executionStatus',
      'page.description as description',
      'page.is_valid as isValid',
      'page.error as error',
      'page.completed_waitpoint_order as completedWaitpointOrder',
      'page.created_at as createdAt',
      'completed.id as waitpointId',
      'completed.type as type',
      'completed.output as output',
      'completed.output_type as outputType',
      'completed.output_is_error as outputIsError',
      'completed.completed_at as completedAt',
    ])
    .orderBy('page.created_at')
    .orderBy('page.id')
    .$castTo<SnapshotRow>();
}
