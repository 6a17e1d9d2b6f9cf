import { type KyselyClient, kyselyClient } from '../databases/kysely-client.ts';
import type { Pin, PinnedRun, SqlClient } from '../databases/sql-client.ts';
import { invalidOption } from '../errors.ts';
import { runPinned as pinnedRun } from '../databases/run-pinned.ts';
import { isObject } from '../is-object.ts';
import { poolClient, type SqlPool } from './sql-pool.ts';

/**
 * What `gtidCatchUp` and `gtidPosition` take: Kysely with its `MysqlDialect`, a promise pool of mysql2, or a pool of mariadb. By
 * their shape, so that none of them need be installed.
 */
export type GtidClient = KyselyClient | SqlPool;

/**
 * Runs a statement that selects one text, or null.
 *
 * @param option - what the client was given as
 * @throws InvalidOptionError for a client of an unknown shape
 */
export async function selectText(
  db: object,
  sql: string,
  option: 'primary' | 'replica' = 'replica',
): Promise<string | undefined> {
  // mysql2 gives rows and fields, mariadb rows, and a row may be an object or an array.
  let value: unknown = await sqlClient(db, option).select(sql);
  while (isObject(value) && !(value instanceof Uint8Array)) [value] = Object.values(value);
  // Drivers give bytes where they are told to, as by `typeCast: false`, and for the character set `binary`.
  const text = value instanceof Uint8Array ? new TextDecoder().decode(value) : value;
  return typeof text === 'string' ? text : undefined;
}

/**
 * Runs something on one connection of a client, or in one transaction: of the read around this one, if that has one.
 *
 * @param option - what the client was given as
 * @throws InvalidOptionError for a client of an unknown shape, and for one that is pinned already
 */
export async function runPinned<T>(
  db: object,
  option: 'primary' | 'replica',
  how: Pin,
  run: PinnedRun<T>,
): Promise<T> {
  const outcome = pinnedRun(sqlClient(db, option), db, option, how, run);
  if (outcome === undefined) throw invalidOption(option, A_CLIENT, db);
  return outcome;
}

/** What stands for the database behind a client. `undefined` for a client of an unknown shape. */
export function databaseOf(client: object): object | undefined {
  return knownClient(client)?.database;
}

function sqlClient(given: object, option: string): SqlClient {
  const known = knownClient(given);
  if (known === undefined) throw invalidOption(option, A_CLIENT, given);
  return known;
}

function knownClient(given: object): SqlClient | undefined {
  const client = Object(given); // itself, unless JavaScript gives a string
  return kyselyClient(client) ?? poolClient(client);
}

const A_CLIENT = 'a Kysely client, a promise pool of mysql2 or a pool of mariadb';
