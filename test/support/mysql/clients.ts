import { sql as drizzleSql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/mysql2';
import { CompiledQuery, Kysely, MysqlDialect } from 'kysely';
import { createPool as createMariadbPool } from 'mariadb';
import { createPool } from 'mysql2';
import mysql from 'mysql2/promise';
import { onTestFinished } from 'vitest';

interface PoolOptions {
  readonly max?: number;
  /** Whether queries wait for a connection for hardly any time, which is what mariadb limits, and few of them: mysql2. */
  readonly isImpatient?: boolean;
}

/** Kysely on mysql2, until the test has ended. */
export function openKysely<DB>(uri: string, { max = 10, isImpatient = false }: PoolOptions = {}) {
  const pool = createPool({ uri, connectionLimit: max, queueLimit: isImpatient ? 1 : 0 });
  const db = new Kysely<DB>({ dialect: new MysqlDialect({ pool }) });
  // Kysely does not end a pool that it has not used.
  onTestFinished(() => pool.end(() => {}));
  return db;
}

export function openMysql2(uri: string, { max = 10, isImpatient = false }: PoolOptions = {}) {
  const pool = mysql.createPool({ uri, connectionLimit: max, queueLimit: isImpatient ? 1 : 0 });
  onTestFinished(() => pool.end());
  return pool;
}

export function openMariadb(uri: string, { max = 10, isImpatient = false }: PoolOptions = {}) {
  const { hostname: host, port, username: user, pathname } = new URL(uri);
  const pool = createMariadbPool({
    host,
    port: Number(port),
    user,
    database: pathname.slice(1),
    connectionLimit: max,
    acquireTimeout: isImpatient ? 500 : 10_000,
    initializationTimeout: isImpatient ? 500 : 10_000,
    allowPublicKeyRetrieval: true,
  });
  onTestFinished(() => pool.end());
  return pool;
}

type Run = (sql: string) => Promise<unknown>;

/** For a table of tests: ways to run a statement. */
export const CLIENTS: readonly {
  readonly client: string;
  readonly open: (uri: string, options?: PoolOptions) => Run;
}[] = [
  {
    client: 'mysql2',
    open(uri, options) {
      const pool = openMysql2(uri, options);
      return (sql) => pool.query(sql);
    },
  },
  {
    client: 'mariadb',
    open(uri, options) {
      const pool = openMariadb(uri, options);
      return (sql) => pool.query(sql);
    },
  },
  {
    client: 'Kysely',
    open(uri, options) {
      const db = openKysely(uri, options);
      return (sql) => db.executeQuery(CompiledQuery.raw(sql));
    },
  },
  {
    client: 'Drizzle',
    open(uri, options) {
      const db = drizzle({ client: openMysql2(uri, options) });
      return (sql) => db.execute(drizzleSql.raw(sql));
    },
  },
];
