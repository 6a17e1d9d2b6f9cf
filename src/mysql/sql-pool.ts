import { hasMethods, type PinnedRun, type SqlClient } from '../databases/sql-client.ts';

/** What a promise pool of mysql2 and a pool of mariadb have in common. */
export interface SqlPool {
  query(sql: string): Promise<unknown>;
  getConnection(): Promise<SqlConnection>;
}

interface SqlConnection {
  query(sql: string): Promise<unknown>;
  release(): unknown;
  destroy(): void;
}

/** Of a pool, or of a connection that stands for one. `undefined` for what is neither, and for a pool that takes callbacks. */
export function poolClient(given: object): SqlClient | undefined {
  if (!isPool(given)) return undefined;
  return {
    database: given,
    async select(sql) {
      const answer = await given.query(sql);
      return Array.isArray(answer) ? answer : [];
    },
    pin: (how, run) =>
      how === 'connection' ? onConnection(given, run) : inTransaction(given, run),
  };
}

/** A pool of mysql2 that takes callbacks has `promise()`, which gives one that does not. */
function isPool(given: object): given is SqlPool {
  return hasMethods(given, 'query', 'getConnection') && !('promise' in given);
}

async function onConnection<T>(pool: SqlPool, run: PinnedRun<T>): Promise<T> {
  const connection = await pool.getConnection();
  const pinned = asPool(connection);
  try {
    return await run(pinned, pinned);
  } finally {
    await connection.release();
  }
}

/** Read-only, and each of its statements has a snapshot of its own. */
async function inTransaction<T>(pool: SqlPool, run: PinnedRun<T>): Promise<T> {
  const connection = await pool.getConnection();
  const pinned = asPool(connection);
  let outcome: Promise<T> | undefined;
  try {
    await connection.query('set transaction isolation level read committed, read only');
    await connection.query('start transaction');
    outcome = run(pinned, pinned);
    await Promise.allSettled([outcome]);
    await connection.query('commit');
  } catch (error) {
    connection.destroy(); // nobody knows what state it is in
    if (outcome === undefined) throw error;
    return outcome; // and not the error of the commit
  }
  await connection.release();
  return outcome;
}

/** A connection in place of its pool. Whoever gets it from there cannot give it back before the query is over. */
function asPool(connection: SqlConnection): object {
  const pinned = new Proxy(connection, {
    get(_connection, name) {
      if (name === 'getConnection') return async () => pinned;
      if (ENDINGS.has(name)) return async () => {};
      const value: unknown = Reflect.get(connection, name);
      return typeof value === 'function' ? value.bind(connection) : value;
    },
  });
  return pinned;
}

const ENDINGS = new Set<PropertyKey>([
  'release',
  'releaseConnection',
  'end',
  'close',
  'destroy',
  Symbol.asyncDispose,
]);
