import {
  createSnapshotTables,
  getSnapshotsSince,
  SnapshotNotFoundError,
  type SnapshotTables,
} from 'kysely-replica-fallback/snapshots';
import { describe, expect, test } from 'vitest';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { addSnapshots, outline, START } from '../../support/snapshot-fixtures.ts';

const database = await replicatedDatabase<SnapshotTables>(createSnapshotTables);

const since = (runId: string, snapshotId: string, limit?: number) =>
  getSnapshotsSince(database.replica.db, { runId, snapshotId, limit });

describe('getSnapshotsSince', () => {
  test('returns every field of the snapshots that came after, oldest first', async () => {
    await database.write(
      addSnapshots(
        'run',
        'a',
        { id: 'b', at: 1000, completedWaitpointOrder: ['w1', 'w2'] },
        { id: 'c', at: 2000 },
      ),
    );
    await database.write((db) =>
      db
        .updateTable('execution_snapshot')
        .set({ execution_status: 'FAILED', description: 'Out of memory', error: 'SIGKILL' })
        .where('id', '=', 'b')
        .execute(),
    );

    expect(await since('run', 'a')).toEqual({
      snapshots: [
        {
          id: 'b',
          runId: 'run',
          executionStatus: 'FAILED',
          description: 'Out of memory',
          isValid: true,
          error: 'SIGKILL',
          createdAt: new Date(START.getTime() + 1),
          completedWaitpointOrder: ['w1', 'w2'],
          completedWaitpoints: [],
        },
        {
          id: 'c',
          runId: 'run',
          executionStatus: 'EXECUTING',
          description: '',
          isValid: true,
          error: null,
          createdAt: new Date(START.getTime() + 2),
          completedWaitpointOrder: [],
          completedWaitpoints: [],
        },
      ],
      hasMore: false,
    });
  });

  test('returns nothing when nothing came after', async () => {
    await database.write(addSnapshots('latest', 'latest 1', 'latest 2'));

    expect(await since('latest', 'latest 2')).toEqual({ snapshots: [], hasMore: false });
  });

  test.for([
    { runId: 'known', snapshotId: 'unknown' },
    { runId: 'unknown', snapshotId: 'known 1' },
    { runId: 'known', snapshotId: 'of another run' },
  ])('rejects when $runId has no snapshot $snapshotId', async ({ runId, snapshotId }) => {
    await database.write(async (db) => {
      await db.deleteFrom('execution_snapshot').execute();
      await addSnapshots('known', 'known 1', 'known 2')(db);
      await addSnapshots('another', 'of another run')(db);
    });

    const error = await since(runId, snapshotId).catch((reason: unknown) => reason);

    expect(error).toBeInstanceOf(SnapshotNotFoundError);
    expect(error).toMatchObject({ runId, snapshotId });
    expect(error).toHaveProperty('message', `Run "${runId}" has no snapshot "${snapshotId}".`);
  });

  test('skips invalid snapshots, but lets them be asked about', async () => {
    const invalid = { id: 'v2', isValid: false };
    await database.write(addSnapshots('validity', 'v1', invalid, 'v3'));

    expect(outline(await since('validity', 'v1'))).toEqual(['v3']);
    expect(outline(await since('validity', 'v2'))).toEqual(['v3']);
  });

  test('tells snapshots of one millisecond apart by the microsecond', async () => {
    await database.write(
      addSnapshots(
        'microseconds',
        { id: 'm1', at: 123_455 },
        { id: 'm2', at: 123_456 },
        { id: 'm3', at: 123_457 },
      ),
    );

    expect(outline(await since('microseconds', 'm2'))).toEqual(['m3']);
  });

  test('tells snapshots of one microsecond apart by the bytes of their ids', async () => {
    const ids = ['Tie 1', 'Tie 2', 'tie 1', 'tie 2'];
    await database.write(addSnapshots('ties', ...ids.map((id) => ({ id, at: 0 }))));

    expect(outline(await since('ties', 'Tie 2'))).toEqual(['tie 1', 'tie 2']);
  });

  test('orders by time before it orders by id', async () => {
    await database.write(addSnapshots('clock', 'z', 'y', 'x', 'w'));

    expect(outline(await since('clock', 'z'))).toEqual(['y', 'x', 'w']);
    expect(outline(await since('clock', 'z', 1))).toEqual(['y', '…']);
  });
});
