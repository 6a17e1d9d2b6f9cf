import { importPeer } from './import-peer.ts';

/** Runs statements on one short-lived connection, one after the other, and resolves with the rows of the last. */
export async function runSql<Row extends Record<string, unknown>>(
  connectionString: string,
  ...statements: readonly [Statement, ...Statement[]]
): Promise<Row[]> {
  const { Client } = await importPeer('pg', () => import('pg'));
  const client = new Client({
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

export interface Statement {
  readonly text: string;
  readonly values?: unknown[];
}
