import { InvalidOptionError } from '../../errors.ts';
import type { PinnedQuery } from '../../informed-read.ts';
import { isPool } from './pg.ts';
import { isObject } from '../../is-object.ts';
import { hasMethods, outcomeIn, type SqlClient } from '../../databases/sql-client.ts';

/** What `walCatchUp` needs of a client of Drizzle on node-postgres. By its shape, so that drizzle-orm need not be installed. */
export interface DrizzleClient extends DrizzleConnection {
  transaction<T>(
    transaction: PinnedQuery<DrizzleClient, T>,
    config: { readonly accessMode: 'read only'; readonly isolationLevel: 'read committed' },
  ): Promise<T>;
}

/** A client, or a transaction. */
export interface DrizzleConnection {
  execute(sql: string): PromiseLike<{ readonly rows: readonly unknown[] }>;
  select: unknown;
}

/**
 * Of a client, or of a transaction. `undefined` for what is none of Drizzle's, and for a client on anything but a pool of pg:
 * transactions on a single connection would get in each other's way, and postgres.js crashes the process when the connection
 * is lost in the middle of one.
 */
export function drizzleClient(given: object): SqlClient | undefined {
  if (!isConnection(given)) return undefined;
  const select = async (sql: string) => {
    const { rows } = await given.execute(sql);
    return rows;
  };
  const pool: unknown = Reflect.get(given, '$client');
  if (!isClient(given)) return { database: given, select };
  return {
    database: isObject(pool) ? pool : given,
    select,
    async pin(how, run) {
      if (how === 'connection') {
        throw new InvalidOptionError('pin', "'transaction' for a client of Drizzle", how);
      }
      const config = { accessMode: 'read only', isolationLevel: 'read committed' } as const;
      return outcomeIn(
        (inside) => given.transaction<unknown>(inside, config),
        (pinned: DrizzleClient) => run(pinned, pinned),
      );
    },
  };
}

function isConnection(given: object): given is DrizzleConnection {
  const pool: unknown = Reflect.get(given, '$client');
  return hasMethods(given, 'execute', 'select') && (pool === undefined || isPool(Object(pool)));
}

/** A transaction does not tell what it is on. */
function isClient(given: object): given is DrizzleClient {
  return hasMethods(given, 'transaction') && '$client' in given;
}
