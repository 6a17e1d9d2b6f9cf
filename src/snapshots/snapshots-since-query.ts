import { type ExpressionBuilder, type Kysely, sql } from 'kysely';
import type { CompletedWaitpoint, Snapshot } from './snapshot-page.ts';
import type { SnapshotTables } from './tables.ts';

/** The question "what came after this snapshot of this run?". */
export interface SnapshotsSince {
  readonly runId: string;
  /** The anchor: the last snapshot that is known. It has to be one of this run; an invalid one will do. */
  readonly snapshotId: string;
  /** How many snapshots to return at most, the oldest ones: 1 to 1,000. Default is 50. */
  readonly limit?: number | undefined;
  /**
   * The snapshot whose waitpoints came last, once all of them have come: they are not sent again as those of
   * {@link SnapshotPage.newest}. Default is none: without it, each poll that finds nothing new sends them.
   */
  readonly waitpointsOf?: string | undefined;
}

/**
 * The rows of the statement: the anchor, then what came after it, oldest first, then the waitpoints of the run's newest valid
 * snapshot. That one stands before the anchor where the anchor is invalid, and nothing valid came after it. No row at all means
 * that there is no anchor.
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
  { runId, snapshotId, waitpointsOf }: SnapshotsSince,
  limit: number,
) {
  const anchorAndLater = limit + 1;
  const anchor = (eb: ExpressionBuilder<SnapshotTables, 'execution_snapshot'>) =>
    // Null without an anchor, and then nothing is "after" it, or before.
    eb.tuple(
      eb
        .selectFrom('execution_snapshot')
        .select('created_at')
        .where('id', '=', snapshotId)
        .where('run_id', '=', runId),
      snapshotId,
    );
  return db
    .with('page', (qc) =>
      qc
        .selectFrom('execution_snapshot')
        .selectAll()
        .where('run_id', '=', runId)
        .where((eb) => eb.or([eb('is_valid', '=', true), eb('id', '=', snapshotId)]))
        .where((eb) => eb(eb.refTuple('created_at', 'id'), '>=', anchor(eb)))
        .orderBy('created_at')
        .orderBy('id')
        // One too many tells whether there are more. As a subselect, which the planner does not look into: of a limit
        // that it does not know it expects to be met early, and reads the index in order. Otherwise it reads and sorts
        // all of a run that has grown long since the table was analyzed.
        .limit(sql<number>`(select ${anchorAndLater + 1}::bigint)`),
    )
    .with('earlier', (qc) =>
      // The run's newest valid snapshot, where it is neither the anchor nor after it. Not looked for otherwise.
      qc
        .selectFrom('execution_snapshot')
        .selectAll()
        .where('run_id', '=', runId)
        .where('is_valid', '=', true)
        .where((eb) => eb(eb.refTuple('created_at', 'id'), '<', anchor(eb)))
        .where((eb) =>
          eb.not(
            eb.exists(eb.selectFrom('page').select('page.id').where('page.is_valid', '=', true)),
          ),
        )
        .orderBy('created_at', 'desc')
        .orderBy('id', 'desc')
        .limit(1),
    )
    .with('known', (qc) =>
      qc.selectFrom('page').selectAll().unionAll(qc.selectFrom('earlier').selectAll()),
    )
    .with('completed', (qc) => {
      const pageSize = qc.selectFrom('page').select(({ fn }) => fn.countAll().as('count'));
      const completed = qc
        .selectFrom('completed_waitpoint')
        .innerJoin('waitpoint', 'waitpoint.id', 'completed_waitpoint.waitpoint_id')
        .selectAll('waitpoint')
        .where('completed_waitpoint.snapshot_id', '=', (eb) =>
          eb
            .selectFrom('known')
            .select('known.id')
            .where('known.is_valid', '=', true)
            .orderBy('known.created_at', 'desc')
            .orderBy('known.id', 'desc')
            .limit(1),
        )
        // With more to come, the newest of the page is not the newest of the run.
        .where(pageSize, '<=', anchorAndLater);
      if (waitpointsOf === undefined) return completed;
      return completed.where((eb) =>
        eb.or([eb('completed_waitpoint.snapshot_id', '!=', waitpointsOf), eb(pageSize, '>', 1)]),
      );
    })
    .selectFrom('known')
    .fullJoin('completed', (join) => join.on((eb) => eb.lit(false))) // one below the other
    .select([
      'known.id as id',
      'known.run_id as runId',
      'known.execution_status as executionStatus',
      'known.description as description',
      'known.is_valid as isValid',
      'known.error as error',
      'known.completed_waitpoint_order as completedWaitpointOrder',
      'known.created_at as createdAt',
      'completed.id as waitpointId',
      'completed.type as type',
      'completed.output as output',
      'completed.output_type as outputType',
      'completed.output_is_error as outputIsError',
      'completed.completed_at as completedAt',
    ])
    .orderBy('known.created_at')
    .orderBy('known.id')
    .$castTo<SnapshotRow>();
}
