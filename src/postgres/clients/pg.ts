import {
  explainPin,
  hasMethods,
  type Pin,
  type PinnedRun,
  type SqlClient,
} from '../../databases/sql-client.ts';
import { connectionLost } from '../unavailable.ts';

/** What `walCatchUp` needs of a `pg.Pool`. By its shape, so that pg need not be installed. */
export interface PgPool extends PgConnection {
  readonly totalCount: number;
  connect(): Promise<PgPoolClient>;
}

/** A client of pg's, a pool's or one alone. */
export interface PgClient extends PgConnection {
  setTypeParser: unknown;
}

interface PgConnection {
  query(sql: string): Promise<{ readonly rows: readonly unknown[] }>;
}

interface PgPoolClient extends PgConnection {
  release(error?: Error): void;
  on(event: 'error', listener: () => void): unknown;
  removeListener(event: 'error', listener: () => void): unknown;
}

/** Of a pool, or of a client. `undefined` for what is none of pg's. */
export function pgClient(given: object): SqlClient | undefined {
  if (!isPool(given) && !isClient(given)) return undefined;
  const select = async (sql: string) => {
    const { rows } = await given.query(sql);
    return rows;
  };
  const client = { database: given, select };
  return isPool(given) ? { ...client, pin: (how, run) => pin(given, how, run) } : client;
}

async function pin<T>(pool: PgPool, how: Pin, run: PinnedRun<T>): Promise<T> {
  const client = await pool.connect();
  // As `pool.query()` does, so that a connection which is lost crashes nobody who uses nothing else.
  client.on('error', ignore);
  const release = (error?: Error) => {
    client.removeListener('error', ignore);
    client.release(error);
  };
  if (how === 'connection') {
    const outcome = run(client, client);
    // A server that ends a connection tells its query so first, and the client a moment later.
    await outcome.then(
      () => release(),
      (error: unknown) => release(connectionLost(error) ? asError(error) : undefined),
    );
    return outcome;
  }
  try {
    await client.query('begin transaction isolation level read committed read only');
  } catch (error) {
    release(asError(error));
    throw error;
  }
  const outcome = run(client, client);
  const [{ status }] = await Promise.allSettled([outcome]);
  // A connection of which nobody knows what is open on it goes to nobody else. What was run counts all the same.
  await client.query(status === 'fulfilled' ? 'commit' : 'rollback').then(
    () => release(),
    (error: unknown) => release(asError(error)),
  );
  return outcome.catch((error: unknown) => {
    throw explainPin(error);
  });
}

function ignore(): void {}

/** The pool closes a client that is given back with an error. */
function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error('The connection is broken.', { cause: error });
}

/** TypeORM's have `query` and `connect`, too, but do not count their connections. */
export function isPool(given: object): given is PgPool {
  return hasMethods(given, 'query', 'connect') && 'totalCount' in given;
}

function isClient(given: object): given is PgClient {
  return hasMethods(given, 'query', 'setTypeParser');
}
