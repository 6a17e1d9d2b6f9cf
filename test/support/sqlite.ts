import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { Kysely, type SqliteDatabase, SqliteDialect } from 'kysely';

/** A database in memory, on Node's own SQLite. */
export function openSqlite<DB>(): Kysely<DB> {
  return new Kysely({
    dialect: new SqliteDialect({ database: adapt(new DatabaseSync(':memory:')) }),
  });
}

/** What Kysely expects is better-sqlite3's shape, which takes all parameters in one array. */
function adapt(database: DatabaseSync): SqliteDatabase {
  return {
    close: () => database.close(),
    prepare(text) {
      const statement = database.prepare(text);
      return {
        reader: statement.columns().length > 0,
        all: (parameters) => statement.all(...(parameters as SQLInputValue[])),
        run: (parameters) => statement.run(...(parameters as SQLInputValue[])),
        iterate: (parameters) => statement.iterate(...(parameters as SQLInputValue[])),
      };
    },
  };
}
