import {
  createSnapshotsSince,
  createSnapshotTables,
  SnapshotNotFoundError,
  type SnapshotTables,
} from 'kysely-replica-fallback/snapshots';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { afterFirstAnswer } from '../../support/after-first-answer.ts';
import {
  type ReplicatedDatabase,
  startReplicatedDatabase,
} from '../../support/replicated-database.ts';
import { addSnapshots, addWaitpoints, outline } from '../../support/snapshot-fixtures.ts';
import { startStandInDatabase } from '../../support/stand-in-database.ts';
import { watch } from '../../support/watch.ts';

const operation = 'snapshots_since';

describe.for([
  { kind: 'a streaming standby', start: startReplicatedDatabase },
  { kind: 'a stand-in for the replica', start: startStandInDatabase },
])('snapshots since, with $kind,', ({ start }) => {
  let database: ReplicatedDatabase<SnapshotTables>;

  beforeAll(async () => {
    database = await start<SnapshotTables>(createSnapshotTables);
  });
  afterEach(async () => {
    await database.catchUp();
    await database.write(async (db) => {
      await db.deleteFrom('execution_snapshot').execute();
      await db.deleteFrom('waitpoint').execute();
    });
  });
  afterAll(() => database?.end());

  const sinceA = { runId: 'run', snapshotId: 'a' };
  const a = addSnapshots('run', 'a');
  const b = addSnapshots('run', { id: 'b', at: 1 });
  const c = addSnapshots('run', { id: 'c', at: 2, completedWaitpointOrder: ['w1', 'w2', 'w1'] });
  const w1 = addWaitpoints('c', 'w1');
  const w2 = addWaitpoints('c', 'w2');

  const lags = [
    { lacks: 'the anchor', has: [], missing: [a, b], page: ['b'] },
    { lacks: 'the waitpoints', has: [a, b, c], missing: [w1, w2], page: ['b', 'c w1 w2 w1'] },
    { lacks: 'one waitpoint', has: [a, b, c, w1], missing: [w2], page: ['b', 'c w1 w2 w1'] },
  ];
  test.for(lags)(
    'come from the primary when the replica lacks $lacks',
    async ({ has, missing, page }) => {
      await database.write(...has);
      await database.holdBack();
      await database.write(...missing);
      const { options, see } = watch(database);

      expect(outline(await createSnapshotsSince(options)(sinceA))).toEqual(page);
      expect(await see()).toEqual({
        outcomes: ['primary'],
        asked: { replica: 2, primary: 1 },
        misses: [[{ outcome: 'primary', operation }, 1]],
        logged: ['warn'],
      });
    },
  );

  test.for(lags)(
    'come from the replica when it lacks $lacks, and catches up before it is asked again',
    async ({ has, missing, page }) => {
      await database.write(...has);
      await database.holdBack();
      await database.write(...missing);
      const { options, see } = watch(database);
      const replica = afterFirstAnswer(options.replica, () => database.catchUp());

      const since = createSnapshotsSince({ ...options, replica });

      expect(outline(await since(sinceA))).toEqual(page);
      expect(await see()).toEqual({
        outcomes: ['replica_retry'],
        asked: { replica: 2, primary: 0 },
        misses: [[{ outcome: 'replica_retry', operation }, 1]],
        logged: [],
      });
    },
  );

  test.for([
    { lacks: 'the newest snapshot', has: [a, b], page: ['b'] },
    { lacks: 'all that came after the anchor', has: [a], page: [] },
  ])('come from a replica that lacks $lacks, as it has them', async ({ has, page }) => {
    await database.write(...has);
    await database.holdBack();
    await database.write(c);
    const { options, see } = watch(database);

    expect(outline(await createSnapshotsSince(options)(sinceA))).toEqual(page);
    expect(await see()).toEqual({
      outcomes: ['replica'],
      asked: { replica: 1, primary: 0 },
      misses: [],
      logged: [],
    });
  });

  describe('after the newest snapshot, which completed waitpoints,', () => {
    const sinceC = { runId: 'run', snapshotId: 'c' };
    const newest = { id: 'c', completedWaitpoints: [{ id: 'w1' }, { id: 'w2' }, { id: 'w1' }] };

    test.for([
      { lacks: 'a waitpoint', has: [a, c, w1], missing: [w2], outcome: 'primary' },
      { lacks: 'nothing', has: [a, c, w1, w2], missing: [], outcome: 'replica' },
    ])(
      'come with it from a server that has all of them, when the replica lacks $lacks',
      async ({ has, missing, outcome }) => {
        await database.write(...has);
        await database.holdBack();
        await database.write(...missing);
        const { options, see } = watch(database);

        const page = await createSnapshotsSince(options)(sinceC);

        expect(page).toMatchObject({ snapshots: [], hasMore: false, newest });
        expect((await see()).outcomes).toEqual([outcome]);
      },
    );

    test('come without it from a replica that lacks a waitpoint, if all of them came before', async () => {
      await database.write(a, c, w1);
      await database.holdBack();
      await database.write(w2);
      const { options, see } = watch(database);

      const page = await createSnapshotsSince(options)({ ...sinceC, waitpointsOf: 'c' });

      expect(page).toStrictEqual({ snapshots: [], hasMore: false });
      expect((await see()).outcomes).toEqual(['replica']);
    });
  });

  test.for([
    { anchor: 'is nowhere', snapshotId: 'z' },
    { anchor: 'is of another run', snapshotId: 'x' },
  ])('are not found when the anchor $anchor', async ({ snapshotId }) => {
    await database.write(a, b, addSnapshots('other run', 'x', 'y'));
    const { options, see } = watch(database);

    const error = await createSnapshotsSince(options)({ runId: 'run', snapshotId }).catch(
      (reason: unknown) => reason,
    );

    expect(error).toBeInstanceOf(SnapshotNotFoundError);
    expect(error).toMatchObject({ runId: 'run', snapshotId });
    expect(await see()).toEqual({
      outcomes: ['not_found'],
      asked: { replica: 2, primary: 1 },
      misses: [],
      logged: ['error during primary'],
    });
  });

  test('come from the primary without a waitpoint that it does not have either', async () => {
    await database.write(a, c, w2);
    const { options, see } = watch(database);

    expect(outline(await createSnapshotsSince(options)(sinceA))).toEqual(['c w2']);
    expect(await see()).toEqual({
      outcomes: ['primary'],
      asked: { replica: 2, primary: 1 },
      misses: [[{ outcome: 'primary', operation }, 1]],
      logged: ['warn'],
    });
  });

  test('come from the primary for all who share its page, although it lacks a waitpoint', async () => {
    await database.write(a, c, w2);
    const { options, see } = watch(database);
    const since = createSnapshotsSince(options);

    const reads = Array.from({ length: 20 }, () => since(sinceA, { coalesceKey: 'run a' }));

    for (const page of await Promise.all(reads)) expect(outline(page)).toEqual(['c w2']);
    const { outcomes, asked } = await see();
    expect(new Set(outcomes)).toEqual(new Set(['primary']));
    expect(asked.primary).toBeLessThan(20);
  });
});
