import { Kysely, PostgresDialect } from 'kysely';
import { Pool, type PoolConfig } from 'pg';

/** @param onQuery - hears the SQL of each query that has ended */
export function connect<DB>(
  connectionString: string,
  config: PoolConfig = {},
  onQuery: (sql: string) => void = () => {},
): Kysely<DB> {
  return new Kysely<DB>({
    dialect: new PostgresDialect({ pool: new Pool({ connectionString, ...config }) }),
    log: ({ query }) => onQuery(query.sql),
  });
}
