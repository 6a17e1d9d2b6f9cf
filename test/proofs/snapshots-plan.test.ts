import { type Kysely, sql } from 'kysely';
import { createSnapshotTables, type SnapshotTables } from 'kysely-replica-fallback/snapshots';
import { beforeAll, describe, expect, test } from 'vitest';
import { snapshotsSinceQuery } from '../../src/snapshots/snapshots-since-query.ts';
import { explain, type Explained } from '../support/explain.ts';
import { replicatedDatabase } from '../support/replicated-database.ts';

const database = await replicatedDatabase<SnapshotTables>(createSnapshotTables);

/**
 * From 10,000 to 1,000,000 rows, an index gets one more level, of which a descent reads one page. The query descends into
 * two indexes of the snapshots: once to the anchor, once to what came after it.
 */
const PAGES_MORE = 2;
const TIMEOUT = 300_000;

/** Three of the 20 snapshots of a run that exists from the beginning: its first, its last but one, its last. */
const ANCHORS = ['00000007', '00009007', '00009507'];

describe('snapshots since reads no whole table, and', { timeout: TIMEOUT }, () => {
  const { db } = database.primary;
  /** How it reads what came after each anchor among 10,000 snapshots. */
  const few = new Map<string, Explained>();
  /** The most pages that it may read, whatever it is asked. */
  let mostPages: number;

  const explainSince = (runId: string, snapshotId: string) =>
    explain(db, snapshotsSinceQuery(db, { runId, snapshotId }, 50));
  const vacuum = () => sql`vacuum analyze`.execute(db);

  beforeAll(async () => {
    // So that the planner's statistics are as old as a test wants them.
    await sql`alter table execution_snapshot set (autovacuum_enabled = false)`.execute(db);

    await addRuns(db, 0, 10_000);
    await addWaitpoints(db);
    await vacuum();
    for (const anchor of ANCHORS) few.set(anchor, await explainSince('run 7', anchor));
    mostPages = Math.max(...[...few.values()].map(({ pages }) => pages)) + PAGES_MORE;

    await addRuns(db, 10_000, 1_000_000);
    await vacuum();
  }, TIMEOUT);

  test.for(ANCHORS)(
    'as many pages of 1,000,000 snapshots as of 10,000, but for a level of each index, after %s',
    async (anchor) => {
      const before = few.get(anchor)!;
      const { pages, wholeTables } = await explainSince('run 7', anchor);

      expect(before.wholeTables).toEqual([]);
      expect(wholeTables).toEqual([]);
      expect(pages).toBeLessThanOrEqual(before.pages + PAGES_MORE);
    },
  );

  describe('no more pages of a run of 100,000 snapshots', () => {
    const anchors = ['long 000001', 'long 050000', 'long 099999'];

    beforeAll(() => addLongRun(db), TIMEOUT);

    test.for(anchors)(
      'that has grown since the planner looked at the table, after %s',
      async (anchor) => {
        const { pages, wholeTables } = await explainSince('long', anchor);

        expect(wholeTables).toEqual([]);
        expect(pages).toBeLessThanOrEqual(mostPages);
      },
    );

    describe('that the planner knows of', () => {
      beforeAll(vacuum, TIMEOUT);

      test.for(anchors)('after %s', async (anchor) => {
        const { pages, wholeTables } = await explainSince('long', anchor);

        expect(wholeTables).toEqual([]);
        expect(pages).toBeLessThanOrEqual(mostPages);
      });
    });
  });
});

/** Snapshots of runs that all go on at the same time, each with 20 of them. */
async function addRuns(db: Kysely<SnapshotTables>, from: number, to: number): Promise<void> {
  const runs = (to - from) / 20;
  await sql`
    insert into execution_snapshot (id, run_id, created_at)
    select
      lpad(n::text, 8, '0'),
      'run ' || ${from}::int + n % ${runs}::int,
      timestamptz '2026-01-01' + n * interval '1 ms'
    from generate_series(${from}::int, ${to}::int - 1) as n`.execute(db);
}

/** Snapshots of one run, among those of others. */
async function addLongRun(db: Kysely<SnapshotTables>): Promise<void> {
  await sql`
    insert into execution_snapshot (id, run_id, created_at)
    select
      run || ' ' || lpad(n::text, 6, '0'),
      run,
      timestamptz '2026-01-02' + n * interval '1 ms'
    from generate_series(0, 99999) as n, lateral (values ('long'), ('other ' || n % 100)) as runs (run)`.execute(
    db,
  );
}

/** Three for each of the first 10,000 snapshots. */
async function addWaitpoints(db: Kysely<SnapshotTables>): Promise<void> {
  await sql`
    insert into waitpoint (id)
    select lpad(n::text, 8, '0') from generate_series(0, 29999) as n`.execute(db);
  await sql`
    insert into completed_waitpoint (snapshot_id, waitpoint_id)
    select lpad((n / 3)::text, 8, '0'), lpad(n::text, 8, '0')
    from generate_series(0, 29999) as n`.execute(db);
}
