import { randomInt } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import type { Substitute } from './substitute-tables.ts';
import { type TableName, tableId, tableNode } from './table-name.ts';

/** Copies of tables, as they were when they were made. */
export interface FrozenTables extends AsyncDisposable {
  readonly substitutes: readonly Substitute[];
}

/** Copies the tables, each into the schema of its own. Leaves no copy behind when one cannot be made. */
export async function freezeTables<DB>(
  client: Kysely<DB>,
  tables: readonly TableName[],
): Promise<FrozenTables> {
  // The names are the database's own: no plugin is to change them again.
  const plain = client.withoutPlugins();
  const copies: TableName[] = [];
  const drop = async () => {
    for (const copy of copies.splice(0)) {
      await sql`drop table if exists ${tableId(copy)}`.execute(plain);
    }
  };
  try {
    for (const table of tables) {
      const copy = { schema: table.schema, name: `frozen_${randomLetters()}` };
      copies.push(copy);
      await sql`create table ${tableId(copy)} as select * from ${tableId(table)}`.execute(plain);
    }
  } catch (error) {
    await drop().catch(() => {});
    throw error;
  }
  const substitutes = tables.flatMap((table, index) => {
    const copy = copies[index];
    return copy === undefined ? [] : { table, source: tableNode(copy), copy };
  });
  return { substitutes, [Symbol.asyncDispose]: drop };
}

/** Letters alone, which no plugin that changes the case of names takes apart. */
function randomLetters(): string {
  return Array.from({ length: 16 }, () => String.fromCharCode(97 + randomInt(26))).join('');
}
