import type { PinnedQuery } from '../informed-read.ts';
import { isObject } from '../is-object.ts';
import { isTransaction } from '../is-transaction.ts';
import { explainPin, hasMethods, outcomeIn, type SqlClient } from './sql-client.ts';

/** What a catch-up needs of a Kysely client. By its shape, so that kysely need not be installed. */
export interface KyselyClient extends KyselyConnection {
  getExecutor(): {
    readonly adapter?: object;
    provideConnection<T>(consumer: (connection: KyselyConnection) => Promise<T>): Promise<T>;
  };
  connection(): { execute<T>(callback: PinnedQuery<KyselyClient, T>): Promise<T> };
  transaction(): {
    setAccessMode(mode: 'read only'): {
      setIsolationLevel(level: 'read committed'): {
        execute<T>(callback: PinnedQuery<KyselyClient, T>): Promise<T>;
      };
    };
  };
}

/** What runs a query: a client, or one of its connections. */
export interface KyselyConnection {
  executeQuery(query: RawQuery): Promise<{ readonly rows: readonly unknown[] }>;
}

/** What kysely's `CompiledQuery.raw(sql)` gives. */
interface RawQuery {
  readonly query: {
    readonly kind: 'RawNode';
    readonly sqlFragments: readonly string[];
    readonly parameters: readonly [];
  };
  readonly queryId: { readonly queryId: string };
  readonly sql: string;
  readonly parameters: readonly [];
}

/** Of a client, a transaction or a connection. `undefined` for what is none of Kysely's. */
export function kyselyClient(given: object): SqlClient | undefined {
  if (!isConnection(given)) return undefined;
  const select = async (sql: string) => {
    const { rows } = await given.executeQuery({
      query: { kind: 'RawNode', sqlFragments: [sql], parameters: [] },
      queryId: { queryId: 'position' },
      sql,
      parameters: [],
    });
    return rows;
  };
  if (!isClient(given)) return { database: given, select };
  return {
    // One for each driver, and so for all that `withSchema()` and the like make of a client.
    database: given.getExecutor().adapter ?? given,
    select,
    async pin(how, run) {
      const runPinned = async (pinned: KyselyClient) => run(pinned, await connectionOf(pinned));
      if (how === 'connection') return given.connection().execute(runPinned);
      const transaction = given
        .transaction()
        .setAccessMode('read only')
        .setIsolationLevel('read committed');
      try {
        return await outcomeIn((inside) => transaction.execute(inside), runPinned);
      } catch (error) {
        throw explainPin(error);
      }
    },
  };
}

/** Queries on the connection of a client that is pinned to one do not wait for each other, as they do on the client. */
function connectionOf(pinned: KyselyClient): Promise<KyselyConnection> {
  return pinned.getExecutor().provideConnection(async (connection) => connection);
}

/**
 * What is pinned to a connection of a database, with the schema and the plugins of another client of the same one. `undefined` for a
 * client of another database, and for a transaction, which is on a connection of its own.
 */
export function pinnedLike(client: unknown, pinned: object, database: object): object | undefined {
  if (!isPluggable(client) || !isPluggable(pinned) || isTransaction(client)) return undefined;
  const { adapter, plugins } = client.getExecutor();
  if (adapter !== database) return undefined;
  return plugins.reduce<PluggableClient>(
    (db, plugin) => db.withPlugin(plugin),
    pinned.withoutPlugins(),
  );
}

interface PluggableClient {
  getExecutor(): { readonly adapter: object; readonly plugins: readonly object[] };
  withPlugin(plugin: object): PluggableClient;
  withoutPlugins(): PluggableClient;
}

function isPluggable(given: unknown): given is PluggableClient {
  return isObject(given) && hasMethods(given, 'getExecutor', 'withPlugin', 'withoutPlugins');
}

/** Resolves when nothing runs on what is pinned: a query, or all of a transaction or a stream. `undefined` for other clients. */
export function turnOn(pinned: object): Promise<unknown> | undefined {
  return isConnection(pinned) && isClient(pinned) ? connectionOf(pinned) : undefined;
}

function isConnection(given: object): given is KyselyConnection {
  return hasMethods(given, 'executeQuery');
}

function isClient(given: object): given is KyselyClient {
  return hasMethods(given, 'getExecutor', 'connection', 'transaction');
}
