import { type Generated, type Kysely, sql } from 'kysely';

/** One step of a run's life. Snapshots are only ever added; a bad one is marked invalid. */
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
  /** Kept to the microsecond, which a `Date` cannot hold: never compare it outside of SQL. */
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

/** Which waitpoints a snapshot completed. */
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

/**
 * Bytes, not a language's rules: it is the order in which the ids were made, and the same on every server, whereas two
 * machines with different C libraries may sort one language differently, which corrupts the index of a replica.
 * https://wiki.postgresql.org/wiki/Locale_data_changes
 */
const ID = sql`text collate "C"`;

/**
 * Creates the three tables and their indexes, where they do not exist yet. To be run on the primary.
 *
 * @example
 * ```ts
 * import { createSnapshotTables } from 'kysely-replica-fallback/snapshots';
 *
 * export const up = (db: Kysely<unknown>) => createSnapshotTables(db);
 * ```
 */
export async function createSnapshotTables<DB>(db: Kysely<DB>): Promise<void> {
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

/** Drops the three tables, where they exist, with all that is in them. */
export async function dropSnapshotTables<DB>(db: Kysely<DB>): Promise<void> {
  for (const table of ['completed_waitpoint', 'waitpoint', 'execution_snapshot']) {
    await db.schema.dropTable(table).ifExists().execute();
  }
}
