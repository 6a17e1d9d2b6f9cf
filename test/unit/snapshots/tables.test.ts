import { createSnapshotTables, dropSnapshotTables } from 'kysely-replica-fallback/snapshots';
import { expect, test } from 'vitest';
import { scriptedPostgres } from '../../support/scripted-postgres.ts';

/** `if not exists` leaves the tables of an earlier version as they are, so another version must not want others. */
test('the tables are created by the same statements as ever, in one transaction', async () => {
  const { db, asked } = scriptedPostgres<object>(() => []);

  await createSnapshotTables(db);

  expect(asked.join('\n').replaceAll(', "', ',\n  "')).toMatchInlineSnapshot(`
    "begin
    select pg_advisory_xact_lock(hashtextextended('kysely-replica-fallback/snapshots', 0))
    create table if not exists "execution_snapshot" ("id" text collate "C" primary key,
      "run_id" text collate "C" not null,
      "execution_status" text default 'EXECUTING' not null,
      "description" text default '' not null,
      "is_valid" boolean default true not null,
      "error" text,
      "completed_waitpoint_order" text[] default '{}' not null,
      "created_at" timestamptz default clock_timestamp() not null, constraint "execution_snapshot_created_at_check" check (isfinite("created_at")))
    create index if not exists "execution_snapshot_run_id_created_at_id" on "execution_snapshot" ("run_id",
      "created_at",
      "id")
    create table if not exists "waitpoint" ("id" text collate "C" primary key,
      "type" text default 'MANUAL' not null,
      "output" text,
      "output_type" text default 'application/json' not null,
      "output_is_error" boolean default false not null,
      "completed_at" timestamptz)
    create table if not exists "completed_waitpoint" ("snapshot_id" text collate "C" not null references "execution_snapshot" ("id") on delete cascade,
      "waitpoint_id" text collate "C" not null references "waitpoint" ("id") on delete cascade, constraint "completed_waitpoint_pkey" primary key ("snapshot_id",
      "waitpoint_id"))
    create index if not exists "completed_waitpoint_waitpoint_id" on "completed_waitpoint" ("waitpoint_id")
    commit
    release"
  `);
});

test('the tables are dropped where they exist, those first that refer to others, in one transaction', async () => {
  const { db, asked } = scriptedPostgres<object>(() => []);

  await dropSnapshotTables(db);

  expect(asked).toEqual([
    'begin',
    "select pg_advisory_xact_lock(hashtextextended('kysely-replica-fallback/snapshots', 0))",
    'drop table if exists "completed_waitpoint"',
    'drop table if exists "waitpoint"',
    'drop table if exists "execution_snapshot"',
    'commit',
    'release',
  ]);
});

test('a transaction of the caller is the one that the tables are created and dropped in', async () => {
  const { db, asked } = scriptedPostgres<object>(() => []);

  await db.transaction().execute(async (trx) => {
    await createSnapshotTables(trx);
    await dropSnapshotTables(trx);
  });

  expect(asked.filter((sql) => sql === 'begin' || sql === 'commit')).toEqual(['begin', 'commit']);
  expect(asked.filter((sql) => sql.includes('pg_advisory_xact_lock'))).toHaveLength(2);
});
