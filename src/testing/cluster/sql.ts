import { recoveryConflict } from '../../postgres/unavailable.ts';
import { importPeer } from './import-peer.ts';

/**
 * Runs statements on one short-lived connection, one after the other, and resolves with the rows of the last. Where a standby
 * cancels them because they are in the way of its replay, they run again: none does any harm twice.
 */
export async function runSql<Row extends Record<string, unknown>>(
  connectionString: string,
  ...statements: Statements
): Promise<Row[]> {
  for (let run = 1; ; run++) {
    try {
      return await runOnce<Row>(connectionString, statements);
    } catch (error) {
      if (run === MOST_RUNS || !recoveryConflict(error)) throw error;
    }
  }
}

/** Each takes some milliseconds, in which replay gets on. */
const MOST_RUNS = 100;

async function runOnce<Row extends Record<string, unknown>>(
  connectionString: string,
  statements: Statements,
): Promise<Row[]> {
  const { Client } = await importPeer('pg', () => import('pg'));
  const client = new Client({
    ...REGARDLESS_OF_ENVIRONMENT,
    connectionString,
    connectionTimeoutMillis: 10_000,
    query_timeout: 10_000,
  });
  // A server that goes away also emits `error`, after the query was rejected: nobody else listens.
  client.on('error', () => {});
  try {
    await client.connect();
    let rows: Row[] = [];
    for (const { text, values } of statements) rows = (await client.query<Row>(text, values)).rows;
    return rows;
  } finally {
    await client.end().catch(() => {});
  }
}

/**
 * The user's `PG…` variables are meant for other servers. pg takes them for each setting that is absent or empty, and the
 * connection string has no more than host, port, user, password and database.
 */
const REGARDLESS_OF_ENVIRONMENT = {
  ssl: false,
  sslnegotiation: 'postgres',
  options: ' ',
  replication: 'false',
} as const;

type Statements = readonly [Statement, ...Statement[]];

interface Statement {
  readonly text: string;
  readonly values?: unknown[];
}
