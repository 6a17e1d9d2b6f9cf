import type { PinnedQuery } from '../informed-read.ts';
import { isObject } from '../is-object.ts';

/**
 * What `walCatchUp` and `walPosition` need of a Kysely client. By its shape, so that kysely need not be installed for the
 * rest of `./postgres`.
 */
export interface KyselyClient extends KyselyConnection {
  getExecutor(): {
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

/** Runs a statement that selects one text, or null. */
export async function selectText(db: KyselyConnection, sql: string): Promise<string | undefined> {
  const { rows } = await db.executeQuery({
    query: { kind: 'RawNode', sqlFragments: [sql], parameters: [] },
    queryId: { queryId: 'wal' },
    sql,
    parameters: [],
  });
  const [row] = rows;
  const [text] = isObject(row) ? Object.values(row) : [];
  return typeof text === 'string' ? text : undefined;
}

/** The connection of a client that is pinned to one. Queries on it do not wait for each other, as they do on the client. */
export function connectionOf(pinned: KyselyClient): Promise<KyselyConnection> {
  return pinned.getExecutor().provideConnection(async (connection) => connection);
}
