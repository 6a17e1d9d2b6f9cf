import { type Kysely, sql } from 'kysely';
import {
  createSnapshotTables,
  dropSnapshotTables,
  type SnapshotTables,
} from 'kysely-replica-fallback/snapshots';
import { beforeEach, beforeAll, describe, expect, test } from 'vitest';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { addSnapshots, addWaitpoints } from '../../support/snapshot-fixtures.ts';

const database = await replicatedDatabase<SnapshotTables>(createSnapshotTables);

describe('the snapshot tables', () => {
  let db: Kysely<SnapshotTables>;

  beforeAll(async () => {
    ({ db } = database.primary);
  });
  beforeEach(async () => {
    await dropSnapshotTables(db);
    await createSnapshotTables(db);
  });

  const tables = async () => {
    const { rows } = await sql<{ tablename: string }>`
      select tablename from pg_tables where schemaname = 'public' order by tablename`.execute(db);
    return rows.map(({ tablename }) => tablename);
  };

  test('are left as they are when they are created again', async () => {
    await addSnapshots('run', 'a')(db);

    await createSnapshotTables(db);

    expect(await db.selectFrom('execution_snapshot').select('id').execute()).toEqual([{ id: 'a' }]);
  });

  test('are created and dropped by many at the same time', async () => {
    const times = Array.from({ length: 8 });
    await dropSnapshotTables(db);

    await Promise.all(times.map(() => createSnapshotTables(db)));
    expect(await tables()).toHaveLength(3);

    await Promise.all(times.map(() => dropSnapshotTables(db)));
    expect(await tables()).toEqual([]);
  });

  test('are created and dropped in a transaction of the caller', async () => {
    const rollback = new Error('rollback');
    const change = db.transaction().execute(async (trx) => {
      await dropSnapshotTables(trx);
      await createSnapshotTables(trx);
      await dropSnapshotTables(trx);
      throw rollback;
    });

    await expect(change).rejects.toBe(rollback);
    expect(await tables()).toHaveLength(3);
  });

  test.for(['infinity', '-infinity'])('take no snapshot of %s', async (moment) => {
    const insert = db
      .insertInto('execution_snapshot')
      .values({ id: 'a', run_id: 'run', created_at: sql<Date>`${moment}::timestamptz` })
      .execute();

    await expect(insert).rejects.toMatchObject({ code: '23514' });
  });

  test('are dropped, also when they are gone, and created anew', async () => {
    await addSnapshots('run', 'a')(db);
    await addWaitpoints('a', 'w')(db);
    expect(await tables()).toEqual(['completed_waitpoint', 'execution_snapshot', 'waitpoint']);

    await dropSnapshotTables(db);
    expect(await tables()).toEqual([]);
    await dropSnapshotTables(db);
    expect(await tables()).toEqual([]);

    await createSnapshotTables(db);
    expect(await db.selectFrom('execution_snapshot').selectAll().execute()).toEqual([]);
  });

  test('have a default for every column that is not an id or may be null', async () => {
    const snapshot = await db
      .insertInto('execution_snapshot')
      .values({ id: 'a', run_id: 'run' })
      .returningAll()
      .executeTakeFirstOrThrow();
    const waitpoint = await db
      .insertInto('waitpoint')
      .values({ id: 'w' })
      .returningAll()
      .executeTakeFirstOrThrow();

    expect(snapshot).toEqual({
      id: 'a',
      run_id: 'run',
      execution_status: 'EXECUTING',
      description: '',
      is_valid: true,
      error: null,
      completed_waitpoint_order: [],
      created_at: expect.any(Date),
    });
    expect(waitpoint).toEqual({
      id: 'w',
      type: 'MANUAL',
      output: null,
      output_type: 'application/json',
      output_is_error: false,
      completed_at: null,
    });
  });

  test('stamp the snapshots of one transaction with a time of their own', async () => {
    await db.transaction().execute(async (trx) => {
      for (const id of ['b', 'a']) {
        await trx.insertInto('execution_snapshot').values({ id, run_id: 'run' }).execute();
      }
    });

    const byTime = db.selectFrom('execution_snapshot').select('id').orderBy('created_at');
    expect(await byTime.execute()).toEqual([{ id: 'b' }, { id: 'a' }]);
    const { rows } = await sql`select distinct created_at from execution_snapshot`.execute(db);
    expect(rows).toHaveLength(2);
  });

  test.for(['execution_snapshot', 'waitpoint'] as const)(
    'join nothing to what was deleted from %s',
    async (table) => {
      await addSnapshots('run', 'a')(db);
      await addWaitpoints('a', 'w')(db);

      await db.deleteFrom(table).execute();

      expect(await db.selectFrom('completed_waitpoint').selectAll().execute()).toEqual([]);
    },
  );
});
