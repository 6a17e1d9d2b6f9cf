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

/** Runs a query on one connection of a pool. */
export async function onPoolConnection<T>(
  pool: SqlPool,
  run: (pinned: SqlPool) => Promise<T>,
): Promise<T> {
  const connection = await pool.getConnection();
  try {
    return await run(asPool(connection));
  } finally {
    await connection.release();
  }
}

/** The same in a read-only transaction, each of whose statements has a snapshot of its own. */
export async function inPoolTransaction<T>(
  pool: SqlPool,
  run: (pinned: SqlPool) => Promise<T>,
): Promise<T> {
  const connection = await pool.getConnection();
  let outcome: Promise<T> | undefined;
  try {
    await connection.query('set transaction isolation level read committed, read only');
    await connection.query('start transaction');
    outcome = run(asPool(connection));
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
function asPool(connection: SqlConnection): SqlPool {
  const pinned: SqlPool = new Proxy(connection as SqlConnection & SqlPool, {
    get(target, name) {
      if (name === 'getConnection') return async () => pinned;
      if (ENDINGS.has(name)) return async () => {};
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return pinned;
}

const ENDINGS = new Set<PropertyKey>(['release', 'end', 'close', 'destroy', Symbol.asyncDispose]);
