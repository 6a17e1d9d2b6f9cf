import { InvalidOptionError } from '../errors.ts';
import { isObject } from '../is-object.ts';

/**
 * What `walCatchUp` and `walPosition` need of a Kysely client. By its shape, so that kysely need not be installed for the
 * rest of `./postgres`.
 */
export interface KyselyClient {
  executeQuery(query: RawQuery): Promise<{ readonly rows: readonly unknown[] }>;
  connection(): { execute<T>(callback: (db: never) => Promise<T>): Promise<T> };
  transaction(): {
    setAccessMode(mode: 'read only'): {
      setIsolationLevel(level: 'read committed'): {
        execute<T>(callback: (db: never) => Promise<T>): Promise<T>;
      };
    };
  };
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
export async function selectText(db: KyselyClient, sql: string): Promise<string | undefined> {
  if (!isObject(db) || typeof db.executeQuery !== 'function') {
    throw new InvalidOptionError('primary', 'a Kysely client, as `walCatchUp` needs it', db);
  }
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
