import { type Kysely, sql } from 'kysely';
import type { OrdersDatabase } from './orders.ts';

/** A commit that a standby shows before it has replayed it: it still has to delete the files of the tables that went with it. */

const TABLES = Array.from({ length: 2_000 }, (_, index) => `short_lived_${index}`);
const AT_ONCE = 500;

/** What `commitSlowly` needs. */
export async function prepareSlowCommit(db: Kysely<OrdersDatabase>): Promise<void> {
  await forAllTables(db, (table) => `create table ${table} (id integer)`);
}

/** Sets the version of all orders. */
export async function commitSlowly(primary: Kysely<OrdersDatabase>, version: number) {
  await primary.transaction().execute(async (transaction) => {
    await transaction.updateTable('orders').set({ version }).execute();
    await forAllTables(transaction, (table) => `drop table ${table}`);
  });
}

async function forAllTables(db: Kysely<OrdersDatabase>, statement: (table: string) => string) {
  for (let from = 0; from < TABLES.length; from += AT_ONCE) {
    const statements = TABLES.slice(from, from + AT_ONCE).map(statement);
    await sql.raw(`do $$ begin ${statements.join(';')}; end $$`).execute(db);
  }
}
