import type { Pool, PoolClient } from 'pg';
import { observe } from '../instruments.ts';

/** Hears of an error that no query rejects with. */
export type ConnectionErrorListener = (error: Error) => void;

/**
 * Keeps a lost connection from crashing the process. pg emits `error` on the client of a lost connection, and pg-pool
 * listens to idle clients only: on a client that is in use, or the one that Kysely cancels a query with
 * (`inflightQueryAbortStrategy`), the event has no listener, which crashes the process. With this attached, only the
 * affected queries fail. Call it once for each pool, before the pool is used.
 *
 * @param onError - called for each such error, for a log. If it throws or rejects, the error goes to OpenTelemetry's
 * `diag`. Default is to ignore them.
 *
 * @example
 * ```ts
 * import { surviveConnectionErrors } from 'kysely-replica-fallback/postgres';
 * import { Pool } from 'pg';
 *
 * const pool = new Pool({ connectionString: process.env.REPLICA_DATABASE_URL });
 * surviveConnectionErrors(pool, (error) => console.warn('A connection was lost.', error));
 * ```
 */
export function surviveConnectionErrors(
  pool: Pick<Pool, 'on'>,
  onError: ConnectionErrorListener = () => {},
): void {
  // What a listener throws would come out of pg, in the middle of its own clearing up.
  const tell = (error: Error) => observe(() => onError(error));
  const listenedTo = new WeakSet<PoolClient>();
  const listen = (client: PoolClient): void => {
    if (listenedTo.has(client)) return;
    listenedTo.add(client);
    client.on('error', tell);
  };
  // pg-pool passes on what an idle client emits, which its own listener has heard already.
  pool.on('error', (error, client) => {
    if (!listenedTo.has(client)) tell(error);
  });
  pool.on('connect', listen);
  pool.on('acquire', listen); // those that were connected before
  // Kysely cancels a query over a client beside the pool, which it makes of this undocumented class.
  if ('Client' in pool && typeof pool.Client === 'function') {
    pool.Client = new Proxy(pool.Client, {
      construct(Client, config, NewTarget) {
        const client: PoolClient = Reflect.construct(Client, config, NewTarget);
        listen(client);
        return client;
      },
    });
  }
}
