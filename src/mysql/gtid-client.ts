import {
  inTransaction,
  type KyselyClient,
  selectText as selectByKysely,
} from '../databases/kysely-client.ts';
import { invalidOption } from '../errors.ts';
import { isObject } from '../is-object.ts';
import { inPoolTransaction, onPoolConnection, type SqlPool } from './sql-pool.ts';

/**
 * What `gtidCatchUp` and `gtidPosition` take: Kysely with its `MysqlDialect`, a promise pool of mysql2, or a pool of mariadb. By
 * their shape, so that none of them need be installed.
 */
export type GtidClient = KyselyClient | SqlPool;

/** Runs a statement that selects one text, or null. */
export async function selectText(client: GtidClient, sql: string): Promise<string | undefined> {
  if (isKysely(client)) return selectByKysely(client, sql);
  assertPool(client);
  // mysql2 gives rows and fields, mariadb rows, and a row may be an object or an array.
  let value = await client.query(sql);
  while (isObject(value)) [value] = Object.values(value);
  return typeof value === 'string' ? value : undefined;
}

/** Runs a query, and whatever belongs to it, on one connection or in one transaction. */
export function runPinned<T>(
  client: GtidClient,
  pin: 'transaction' | 'connection',
  run: (pinned: GtidClient) => Promise<T>,
): Promise<T> {
  if (isKysely(client)) {
    return pin === 'connection' ? client.connection().execute(run) : inTransaction(client, run);
  }
  assertPool(client);
  return pin === 'connection' ? onPoolConnection(client, run) : inPoolTransaction(client, run);
}

function isKysely(client: GtidClient): client is KyselyClient {
  return isObject(client) && 'getExecutor' in client;
}

/** A pool of mysql2 that takes callbacks has `promise()`, which gives one that does not. */
function assertPool(client: SqlPool): void {
  if (isObject(client) && 'getConnection' in client && !('promise' in client)) return;
  throw invalidOption('client', CLIENT, client);
}

const CLIENT = 'a Kysely client, a promise pool of mysql2 or a pool of mariadb';
