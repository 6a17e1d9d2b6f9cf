import { sql } from 'kysely';
import {
  createSnapshotTables,
  getSnapshotsSince,
  type SnapshotTables,
} from 'kysely-replica-fallback/snapshots';
import { describe, expect, test } from 'vitest';
import { snapshotsSinceQuery } from '../../../src/snapshots/snapshots-since-query.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { addSnapshots, addWaitpoints, outline } from '../../support/snapshot-fixtures.ts';

const database = await replicatedDatabase<SnapshotTables>(createSnapshotTables);

const since = (runId: string, snapshotId: string, limit?: number) =>
  getSnapshotsSince(database.replica.db, { runId, snapshotId, limit });

describe('getSnapshotsSince', () => {
  test('returns every field of a completed waitpoint', async () => {
    const fields = { type: 'DATETIME', output: '"late"', output_type: 'text/plain' };
    const completedAt = new Date('2026-02-03T04:05:06.789Z');
    await database.write(
      addSnapshots('fields', 'f1', { id: 'f2', completedWaitpointOrder: ['full', 'bare'] }),
    );
    await database.write(addWaitpoints('f2', 'bare', 'full'));
    await database.write((db) =>
      db
        .updateTable('waitpoint')
        .set({ ...fields, output_is_error: true, completed_at: completedAt })
        .where('id', '=', 'full')
        .execute(),
    );

    const { snapshots } = await since('fields', 'f1');

    expect(snapshots[0]?.completedWaitpoints).toEqual([
      {
        id: 'full',
        type: 'DATETIME',
        output: '"late"',
        outputType: 'text/plain',
        outputIsError: true,
        completedAt,
      },
      {
        id: 'bare',
        type: 'MANUAL',
        output: null,
        outputType: 'application/json',
        outputIsError: false,
        completedAt: null,
      },
    ]);
  });

  test.for([
    { does: 'keeps their order', order: ['w3', 'w1', 'w2'], expected: 's3 w3 w1 w2' },
    { does: 'repeats', order: ['w2', 'w2', 'w1', 'w2'], expected: 's3 w2 w2 w1 w2' },
    { does: 'drops unknown ones', order: ['?', 'w1', '??', 'w2'], expected: 's3 w1 w2' },
    { does: 'leaves out those without a place', order: ['w2'], expected: 's3 w2' },
    { does: 'needs none', order: [], expected: 's3' },
  ])(
    'gives waitpoints to the newest snapshot alone, and $does: $order',
    async ({ order, expected }) => {
      await database.write(async (db) => {
        await db.deleteFrom('execution_snapshot').execute();
        const older = { id: 's2', completedWaitpointOrder: ['w1'] };
        const newest = { id: 's3', completedWaitpointOrder: order };
        await addSnapshots('run', 's1', older, newest)(db);
        await addWaitpoints('s2', 'w1')(db);
        await addWaitpoints('s3', 'w1', 'w2', 'w3')(db);
      });

      expect(outline(await since('run', 's1'))).toEqual(['s2', expected]);
    },
  );

  test('takes the newest valid snapshot for the newest', async () => {
    const newest = { id: 'n2', completedWaitpointOrder: ['w1'] };
    const invalid = { id: 'n3', completedWaitpointOrder: ['w2'], isValid: false };
    await database.write(addSnapshots('newest', 'n1', newest, invalid));
    await database.write(addWaitpoints('n2', 'w1'));
    await database.write(addWaitpoints('n3', 'w2'));

    expect(outline(await since('newest', 'n1'))).toEqual(['n2 w1']);
  });

  test("gives and reads no waitpoints while there is more to come, for a page's newest is not the run's", async () => {
    const completedWaitpointOrder = ['w1'];
    await database.write(
      addSnapshots(
        'more',
        'p1',
        { id: 'p2', completedWaitpointOrder },
        { id: 'p3', completedWaitpointOrder },
      ),
    );
    await database.write(addWaitpoints('p2', 'w1'));
    await database.write(addWaitpoints('p3', 'w1'));

    expect(outline(await since('more', 'p1', 1))).toEqual(['p2', '…']);
    expect(outline(await since('more', 'p2', 1))).toEqual(['p3 w1']);
    const question = { runId: 'more', snapshotId: 'p1' };
    const rows = await snapshotsSinceQuery(database.replica.db, question, 1).execute();
    expect(rows.map(({ id, waitpointId }) => [id, waitpointId])).toEqual([
      ['p1', null],
      ['p2', null],
      ['p3', null],
    ]);
  });

  test.for([
    { newest: 'the anchor', anchor: 'k3', validity: 'tttff', expected: 'k3 of k3' },
    { newest: 'one before the anchor', anchor: 'k4', validity: 'tftff', expected: 'k3 of k3' },
    { newest: 'the first', anchor: 'k3', validity: 'tffff', expected: 'k1 of k1' },
    { newest: 'none', anchor: 'k3', validity: 'fffff', expected: undefined },
    { newest: 'one without waitpoints', anchor: 'k3', validity: 'ttfff', expected: undefined },
  ])(
    'gives the newest valid snapshot with its waitpoints where nothing came after the anchor: $newest',
    async ({ anchor, validity, expected }) => {
      const run = `known ${validity}`;
      const snapshots = validity.split('').map((letter, n) => ({
        id: `${run} k${n + 1}`,
        isValid: letter === 't',
        completedWaitpointOrder: n === 1 ? [] : [`of ${run} k${n + 1}`],
      }));
      await database.write(addSnapshots(run, ...snapshots));
      for (const { id, completedWaitpointOrder } of snapshots) {
        if (completedWaitpointOrder.length === 0) continue;
        await database.write(addWaitpoints(id, ...completedWaitpointOrder));
      }

      const page = await since(run, `${run} ${anchor}`);

      expect(page).toMatchObject({ snapshots: [], hasMore: false });
      const { newest } = page;
      const found = newest && outline({ snapshots: [newest], hasMore: false }).join();
      expect(found?.replaceAll(`${run} `, '')).toBe(expected);
      const told = await getSnapshotsSince(database.replica.db, {
        runId: run,
        snapshotId: `${run} ${anchor}`,
        waitpointsOf: newest?.id,
      });
      expect(told).toStrictEqual({ snapshots: [], hasMore: false });
    },
  );

  test('reads no waitpoints that have come already', async () => {
    await database.write(
      addSnapshots('told', 't1', { id: 't2', completedWaitpointOrder: ['w9'] }),
      addWaitpoints('t2', 'w9'),
    );
    const rowsSince = (snapshotId: string) =>
      snapshotsSinceQuery(
        database.replica.db,
        { runId: 'told', snapshotId, waitpointsOf: 't2' },
        1,
      ).execute();

    expect((await rowsSince('t2')).map(({ id }) => id)).toEqual(['t2']);
    // What a page holds comes as ever.
    expect((await rowsSince('t1')).map(({ id }) => id)).toEqual(['t1', 't2', null]);
  });

  test('returns 500 waitpoints of 100 KB each', async () => {
    const ids = Array.from({ length: 500 }, (_, n) => `big ${String(n).padStart(4, '0')}`);
    await database.write(
      addSnapshots('big', 'big 1', { id: 'big 2', completedWaitpointOrder: ids.toReversed() }),
    );
    await database.write(addWaitpoints('big 2', ...ids));
    await database.write((db) =>
      db
        .updateTable('waitpoint')
        .set({ output: sql`repeat(id, 12800)` })
        .where('id', 'in', ids)
        .execute(),
    );

    const { snapshots } = await since('big', 'big 1');

    const outputs = snapshots[0]!.completedWaitpoints.map(({ output }) => output);
    expect(outputs).toHaveLength(500);
    for (const [n, id] of ids.toReversed().entries()) {
      expect(outputs[n]).toBe(id.repeat(12_800));
    }
  });
});
