import { type Generated, type Kysely, sql } from 'kysely';

/**
 * One step of a run's life. Snapshots are only ever added; a bad one is marked invalid.
 *
 * Write the snapshots of one run one after the other, each committed before the next is created, with a `created_at` that
 * does not go back: otherwise a poll may lose one. In the transaction that writes one, take a lock on the run
 * (`pg_advisory_xact_lock`), and set `created_at` to the later of `clock_timestamp()` and the run's latest, at the isolation
 * level `read committed`: a stricter one does not see what was committed while it waited for the lock.
 */
export interface ExecutionSnapshotTable {
  /**
   * The ids of one run must sort by creation, byte by byte, because they tell snapshots of the same moment apart: take
   * UUIDv7 or ULID.
   */
  id: string;
  run_id: string;
  execution_status: Generated<string>;
  description: Generated<string>;
  is_valid: Generated<boolean>;
  /** Why it is invalid. */
  error: string | null;
  /** The ids of the waitpoints that this snapshot completed, in their order; the same id may stand here repeatedly. */
  completed_waitpoint_order: Generated<string[]>;
  /**
   * Kept to the microsecond, which a `Date` cannot hold: never compare it outside of SQL. Default is the server's clock,
   * which can be set back.
   */
  created_at: Generated<Date>;
}

/** Something that a run waited for, with what came of it. */
export interface WaitpointTable {
  id: string;
  type: Generated<string>;
  output: string | null;
  output_type: Generated<string>;
  output_is_error: Generated<boolean>;
  completed_at: Date | null;
}

/** Which waitpoints a snapshot completed. Write them in the transaction of the snapshot. */
export interface CompletedWaitpointTable {
  snapshot_id: string;
  waitpoint_id: string;
}

/**
 * The tables of `kysely-replica-fallback/snapshots`, to be mixed into a service's own database type.
 *
 * @example
 * ```ts
 * import { Kysely } from 'kysely';
 * import type { SnapshotTables } from 'kysely-replica-fallback/snapshots';
 *
 * type Database = SnapshotTables & { orders: OrdersTable };
 * const db = new Kysely<Database>({ … });
 * ```
 */
export interface SnapshotTables {
  execution_snapshot: ExecutionSnapshotTable;
  waitpoint: WaitpointTable;
  completed_waitpoint: CompletedWaitpointTable;
}

/** A database that has the tables, by these names, or as `CamelCasePlugin` spells them. */
export type WithSnapshotTables =
  | { [Table in keyof SnapshotTables]: object }
  | { executionSnapshot: object; waitpoint: object; completedWaitpoint: object };

/**
 * Bytes, not a language's rules: it is the order in which the ids were made, and the same on every server, whereas two
 * machines with different C libraries may sort one language differently, which corrupts the index of a replica.
 * https://wiki.postgresql.org/wiki/Locale_data_changes
 */
const ID = sql`text collate "C"`;

/**
 * Creates the three tables and their indexes, where they do not exist yet, in one transaction. Run it on the primary, as
 * often as you like: calls at the same time wait for each other.
 *
 * @param db - the client of the primary, or a transaction on it
 *
 * @example
 * ```ts
 * import type { Kysely } from 'kysely';
 * import { createSnapshotTables } from 'kysely-replica-fallback/snapshots';
 *
 * export const up = (db: Kysely<unknown>) => createSnapshotTables(db);
 * ```
 */
export function createSnapshotTables<DB>(db: Kysely<DB>): Promise<void> {
  return oneAtATime(db, createTables);
}

async function createTables<DB>(db: Kysely<DB>): Promise<void> {
  await db.schema
    .createTable('execution_snapshot')
    .ifNotExists()
    .addColumn('id', ID, (column) => column.primaryKey())
    .addColumn('run_id', ID, (column) => column.notNull())
    .addColumn('execution_status', 'text', (column) => column.notNull().defaultTo('EXECUTING'))
    .addColumn('description', 'text', (column) => column.notNull().defaultTo(''))
    .addColumn('is_valid', 'boolean', (column) => column.notNull().defaultTo(true))
    .addColumn('error', 'text')
    .addColumn('completed_waitpoint_order', sql`text[]`, (column) =>
      column.notNull().defaultTo(sql`'{}'`),
    )
    .addColumn('created_at', 'timestamptz', (column) =>
      column.notNull().defaultTo(sql`clock_timestamp()`),
    )
    // Nothing comes after infinity, and it is no `Date`.
    .addCheckConstraint(
      'execution_snapshot_created_at_check',
      sql`isfinite(${sql.ref('created_at')})`,
    )
    .execute();
  await db.schema
    .createIndex('execution_snapshot_run_id_created_at_id')
    .ifNotExists()
    .on('execution_snapshot')
    .columns(['run_id', 'created_at', 'id'])
    .execute();
  await db.schema
    .createTable('waitpoint')
    .ifNotExists()
    .addColumn('id', ID, (column) => column.primaryKey())
    .addColumn('type', 'text', (column) => column.notNull().defaultTo('MANUAL'))
    .addColumn('output', 'text')
    .addColumn('output_type', 'text', (column) => column.notNull().defaultTo('application/json'))
    .addColumn('output_is_error', 'boolean', (column) => column.notNull().defaultTo(false))
    .addColumn('completed_at', 'timestamptz')
    .execute();
  await db.schema
    .createTable('completed_waitpoint')
    .ifNotExists()
    .addColumn('snapshot_id', ID, (column) =>
      column.notNull().references('execution_snapshot.id').onDelete('cascade'),
    )
    .addColumn('waitpoint_id', ID, (column) =>
      column.notNull().references('waitpoint.id').onDelete('cascade'),
    )
    .addPrimaryKeyConstraint('completed_waitpoint_pkey', ['snapshot_id', 'waitpoint_id'])
    .execute();
  await db.schema
    .createIndex('completed_waitpoint_waitpoint_id')
    .ifNotExists()
    .on('completed_waitpoint')
    .column('waitpoint_id')
    .execute();
}

/**
 * Drops the three tables, where they exist, with all that is in them, in one transaction.
 *
 * @param db - the client of the primary, or a transaction on it
 *
 * @example
 * ```ts
 * import type { Kysely } from 'kysely';
 * import { dropSnapshotTables } from 'kysely-replica-fallback/snapshots';
 *
 * export const down = (db: Kysely<unknown>) => dropSnapshotTables(db);
 * ```
 */
export function dropSnapshotTables<DB>(db: Kysely<DB>): Promise<void> {
  return oneAtATime(db, async (trx) => {
    for (const table of ['completed_waitpoint', 'waitpoint', 'execution_snapshot']) {
      await trx.schema.dropTable(table).ifExists().execute();
    }
  });
}

/**
 * `if not exists` looks first and creates later, so that of two callers at the same time one fails with 23505. In a
 * transaction, because the lock ends with it.
 */
async function oneAtATime<DB>(
  db: Kysely<DB>,
  change: (trx: Kysely<DB>) => Promise<void>,
): Promise<void> {
  if (!db.isTransaction) return db.transaction().execute((trx) => oneAtATime(trx, change));
  await sql`select pg_advisory_xact_lock(hashtextextended('kysely-replica-fallback/snapshots', 0))`.execute(
    db,
  );
  await change(db);
}
