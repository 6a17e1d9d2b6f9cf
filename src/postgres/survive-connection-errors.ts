import type { Pool, PoolClient } from 'pg';

/** What is told of an error that no query rejects with. */
export type ConnectionErrorListener = (error: Error) => void;

/**
 * Lets a process survive a server that goes away under its connections. Without it, a standby that is restarted ends
 * every service that is reading from it: pg emits `error` on a client that is checked out, pg-pool listens to idle
 * ones only, and an `error` event that nobody listens to is an uncaught exception. So it is on the client over which
 * Kysely cancels a query, as `inflightQueryAbortStrategy` says. The query that was running rejects all the same. To be
 * called once for each pool, before it is used.
 *
 * @param onError - hears of each such error, for a log. Default is that nobody does.
 *
 * @example
 * ```ts
 * import { surviveConnectionErrors } from 'kysely-replica-fallback/postgres';
 * import { Pool } from 'pg';
 *
 * const pool = new Pool({ connectionString: process.env.REPLICA_DATABASE_URL });
 * surviveConnectionErrors(pool, (error) => log.warn('A connection was lost', { error }));
 * ```
 */
export function surviveConnectionErrors(
  pool: Pick<Pool, 'on'>,
  onError: ConnectionErrorListener = () => {},
): void {
  const listenedTo = new WeakSet<PoolClient>();
  const listen = (client: PoolClient): void => {
    if (listenedTo.has(client)) return;
    listenedTo.add(client);
    client.on('error', onError);
  };
  // pg-pool passes on what an idle client emits, which its own listener has heard already.
  pool.on('error', (error, client) => {
    if (!listenedTo.has(client)) onError(error);
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
