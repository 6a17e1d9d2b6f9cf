import { type Kysely, sql } from 'kysely';
import {
  createSnapshotTables,
  getSnapshotsSince,
  type SnapshotTables,
} from 'kysely-replica-fallback/snapshots';
import type { ReplicationCluster } from 'kysely-replica-fallback/testing';
import { compare } from './compare.ts';
import { connect } from './connect.ts';
import { startDistance } from './distance.ts';
import type { Extent } from './extent.ts';

const PER_RUN = 20;

/** Snapshots since in its one statement, against the anchor and then the tail in two, on 20 snapshots of each run. */
export async function benchSnapshotsSince(
  { primary }: ReplicationCluster,
  { isQuick }: Extent,
): Promise<void> {
  await using db = connect<SnapshotTables>(primary.connectionString);
  await using distance = await startDistance(primary.connectionString, 1);
  await using distantDb = connect<SnapshotTables>(distance.connectionString);
  const runs = isQuick ? 5000 : 50_000;
  const rounds = isQuick ? 11 : 51;
  await createSnapshotTables(db);
  await sql`
    insert into execution_snapshot (id, run_id, created_at)
    select lpad(i::text, 8, '0'), 'run' || i % ${sql.lit(runs)}, '2026-01-01'::timestamptz + i * interval '1 ms'
    from generate_series(1, ${sql.lit(runs * PER_RUN)}) i`.execute(db);
  await sql`vacuum analyze`.execute(db);

  console.log(`\nSnapshots since, on ${(runs * PER_RUN).toLocaleString('en')} snapshots\n`);
  const rows = [];
  for (const [server, client, round] of [
    ['on loopback', db, { calls: 200, rounds }],
    ['1 ms away', distantDb, { calls: 20, rounds }],
  ] as const) {
    const timings = await compare(
      {
        'one statement': () => getSnapshotsSince(client, newestButOne(runs)),
        'anchor, then tail': () => anchorThenTail(client, newestButOne(runs)),
        'and then waitpoints': () => anchorThenTailThenWaitpoints(client, newestButOne(runs)),
      },
      round,
    );
    for (const [read, { median, spread }] of Object.entries(timings)) {
      const ratio = median / timings['one statement'].median;
      rows.push({
        server,
        read,
        'µs/call': Math.round(median / 1000),
        '±': Math.round(spread / 1000),
        'times one': ratio.toFixed(2),
      });
    }
  }
  console.table(rows);
}

/** What a runner that keeps up asks: what came after the last snapshot but one? */
function newestButOne(runs: number): { runId: string; snapshotId: string } {
  const run = Math.floor(Math.random() * (runs - 1)) + 1;
  const anchor = run + runs * (PER_RUN - 2);
  return { runId: `run${run}`, snapshotId: String(anchor).padStart(8, '0') };
}

/** Two statements, which leave the waitpoints out. */
async function anchorThenTail(
  db: Kysely<SnapshotTables>,
  { runId, snapshotId }: { runId: string; snapshotId: string },
) {
  const anchor = await db
    .selectFrom('execution_snapshot')
    .select((eb) => ['id', eb.cast<string>('created_at', 'text').as('created_at')])
    .where('id', '=', snapshotId)
    .where('run_id', '=', runId)
    .executeTakeFirstOrThrow();
  return await db
    .selectFrom('execution_snapshot')
    .selectAll()
    .where('run_id', '=', runId)
    .where('is_valid', '=', true)
    .where(sql<boolean>`(created_at, id) > (${anchor.created_at}::timestamptz, ${anchor.id})`)
    .orderBy('created_at')
    .orderBy('id')
    .limit(51)
    .execute();
}

/** The whole answer. */
async function anchorThenTailThenWaitpoints(
  db: Kysely<SnapshotTables>,
  since: { runId: string; snapshotId: string },
) {
  const snapshots = await anchorThenTail(db, since);
  const waitpoints = await db
    .selectFrom('completed_waitpoint')
    .innerJoin('waitpoint', 'waitpoint.id', 'completed_waitpoint.waitpoint_id')
    .selectAll('waitpoint')
    .where('completed_waitpoint.snapshot_id', '=', snapshots.at(-1)?.id ?? '')
    .execute();
  return { snapshots, waitpoints };
}
