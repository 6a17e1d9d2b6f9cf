import { Kysely, PostgresDialect } from 'kysely';

/** Answers a statement with its rows, or throws as the server would. */
type Server = (
  sql: string,
  parameters: readonly unknown[],
) => readonly object[] | Promise<readonly object[]>;

/**
 * A real Kysely for PostgreSQL, on one connection to a server that is played, and all that was asked over it, in order.
 *
 * @param connected - when there is a connection. Default is at once
 */
export function scriptedPostgres<DB>(
  server: Server,
  connected: Promise<unknown> = Promise.resolve(),
): {
  readonly db: Kysely<DB>;
  readonly asked: readonly string[];
} {
  const asked: string[] = [];
  const client = {
    async query(sql: string, parameters: readonly unknown[]) {
      asked.push(sql);
      const rows = [...(await server(sql, parameters))];
      return { command: 'SELECT' as const, rowCount: rows.length, rows };
    },
    release: () => void asked.push('release'),
  };
  const pool = { connect: () => connected.then(() => client), end: async () => {} };
  return { db: new Kysely({ dialect: new PostgresDialect({ pool: pool as never }) }), asked };
}
