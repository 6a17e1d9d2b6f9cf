import { Kysely, PostgresDialect } from 'kysely';
import { surviveConnectionErrors } from 'kysely-replica-fallback/postgres';
import { Pool, type PoolConfig } from 'pg';

/** A client of one server, and all that the server was asked through it. */
export interface Connection<DB> {
  readonly db: Kysely<DB>;
  readonly pool: Pool;
  /** The SQL of every query that has ended, failed ones too. */
  readonly queries: readonly string[];
  end(): Promise<void>;
}

/** Connects when it is first asked. Its pool outlives a server that goes away. */
export function connect<DB>(connectionString: string, config: PoolConfig = {}): Connection<DB> {
  const pool = new Pool({ connectionString, ...config });
  surviveConnectionErrors(pool);
  const queries: string[] = [];
  const db = new Kysely<DB>({
    dialect: new PostgresDialect({ pool }),
    log: ({ query }) => void queries.push(query.sql),
  });
  return { db, pool, queries, end: () => db.destroy() };
}
