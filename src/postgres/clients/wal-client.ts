import { invalidOption } from '../../errors.ts';
import { runPinned as pinnedRun } from '../../databases/run-pinned.ts';
import { isObject } from '../../is-object.ts';
import { type DrizzleClient, drizzleClient, type DrizzleConnection } from './drizzle.ts';
import {
  type KyselyClient,
  type KyselyConnection,
  kyselyClient,
} from '../../databases/kysely-client.ts';
import { type PgClient, pgClient, type PgPool } from './pg.ts';
import type { Pin, PinnedRun, SqlClient } from '../../databases/sql-client.ts';

/** A client that `walCatchUp` knows, by its shape: Kysely's, a `pg.Pool`, or Drizzle's on one. */
export type WalClient = KyselyClient | DrizzleClient | PgPool;

/** What `walPosition` can ask: such a client, a connection of it, or a client of pg's. */
export type WalConnection = KyselyConnection | DrizzleConnection | PgPool | PgClient;

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
  const rows = await sqlClient(db, option).select(sql);
  if (!Array.isArray(rows)) throw invalidOption(option, A_CLIENT, db); // a transaction of Drizzle on another driver
  const [row] = rows;
  const [text] = isObject(row) ? Object.values(row) : [];
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
  return kyselyClient(client) ?? pgClient(client) ?? drizzleClient(client);
}

const A_CLIENT =
  'a client of Kysely, a pg.Pool, or a client of Drizzle on one: `walCatchUp()` knows no other';
