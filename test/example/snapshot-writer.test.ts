import { sql } from 'kysely';
import {
  createSnapshotTables,
  getSnapshotsSince,
  type SnapshotTables,
} from 'kysely-replica-fallback/snapshots';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  appendSnapshot,
  createRun,
  type SnapshotKey,
} from '../../examples/snapshots-service/service/snapshot-writer.ts';
import { connect } from '../support/connect.ts';
import {
  type ReplicatedDatabase,
  startReplicatedDatabase,
} from '../support/replicated-database.ts';

const NOTHING = { waitpoints: [] };
const A_WAITPOINT = { waitpoints: [{ output: 'woken' }] };

describe('the snapshots that the example writes', () => {
  let database: ReplicatedDatabase<SnapshotTables>;

  beforeAll(async () => {
    database = await startReplicatedDatabase(createSnapshotTables);
  });
  afterAll(() => database?.end());

  const connectUntilTheTestEnds = () => {
    const connection = connect<SnapshotTables>(database.cluster.primary.connectionString);
    onTestFinished(() => connection.end());
    return connection.db;
  };

  /** Reads as a runner does: page by page, each from the last snapshot of the one before. */
  const follower = (start: SnapshotKey, { db } = database.replica) => {
    const seen: string[] = [];
    let last = start;
    return {
      seen,
      async readOn() {
        const { snapshots } = await getSnapshotsSince(db, last);
        seen.push(...snapshots.map(({ id }) => id));
        last = { ...last, snapshotId: seen.at(-1) ?? start.snapshotId };
        return snapshots.length;
      },
    };
  };

  test(
    'are all seen by a runner that follows while many write to its run at once',
    { timeout: 120_000 },
    async () => {
      const writers = Array.from({ length: 8 }, connectUntilTheTestEnds);
      const key = await createRun(database.primary.db, NOTHING);
      await database.catchUp();
      const runner = follower(key);

      const done = new AbortController();
      const written: string[] = [];
      const writing = Promise.all(
        writers.map(async (db, number) => {
          for (let count = 0; count < 375; count += 1) {
            const next = (count + number) % 2 === 0 ? NOTHING : A_WAITPOINT;
            written.push((await appendSnapshot(db, key.runId, next)).snapshotId);
          }
        }),
      ).finally(() => done.abort());
      while (!done.signal.aborted) await runner.readOn();
      await writing;
      await database.catchUp();
      while ((await runner.readOn()) > 0);

      expect(written).toHaveLength(3000);
      expect(runner.seen).toHaveLength(3000);
      expect(new Set(runner.seen)).toEqual(new Set(written));
    },
  );

  test('are seen although one is committed late', async () => {
    const [first, second, locker] = Array.from({ length: 3 }, connectUntilTheTestEnds);
    const key = await createRun(first!, NOTHING);
    const lock = await locker!.startTransaction().execute();
    await sql`lock table waitpoint in exclusive mode`.execute(lock);
    const countWaiting = async () => {
      const { rows } = await sql`
        select from pg_stat_activity where wait_event_type = 'Lock'`.execute(database.primary.db);
      return rows.length;
    };

    const late = appendSnapshot(first!, key.runId, A_WAITPOINT);
    await expect.poll(countWaiting).toBe(1);
    let isCommitted = false;
    const next = appendSnapshot(second!, key.runId, NOTHING).finally(() => (isCommitted = true));
    await expect.poll(async () => isCommitted || (await countWaiting()) === 2).toBe(true);
    const runner = follower(key, database.primary);
    await runner.readOn();
    await lock.rollback().execute();
    const written = [(await late).snapshotId, (await next).snapshotId];
    await runner.readOn();

    expect(runner.seen).toEqual(written);
  });

  test('are seen, in their order, after the clock was set back', async () => {
    const { db } = database.primary;
    const { runId } = await createRun(db, NOTHING);
    const lastOfTheFuture = 'ffffffff-ffff-7fff-bfff-ffffffffffff';
    await db
      .insertInto('execution_snapshot')
      .values({
        id: lastOfTheFuture,
        run_id: runId,
        error: null,
        created_at: sql`clock_timestamp() + interval '1 hour'`,
      })
      .execute();
    const runner = follower({ runId, snapshotId: lastOfTheFuture });

    const written: string[] = [];
    for (const next of [NOTHING, A_WAITPOINT, NOTHING]) {
      written.push((await appendSnapshot(db, runId, next)).snapshotId);
      await database.catchUp();
      await runner.readOn();
    }

    expect(runner.seen).toEqual(written);
  });
});
