import type { Kysely } from 'kysely';
import { recordReads } from 'kysely-replica-fallback/testing';
import { onTestFinished } from 'vitest';
import type { Database } from '../../../examples/causal-sessions/orders.ts';
import { createSessions, type Sessions } from '../../../examples/causal-sessions/sessions.ts';
import { connect } from '../connect.ts';

/** How long a read waits for a replica that lags, and a query for a server that does not answer. */
export const WINDOW_MS = 20_000;
const QUERY_TIMEOUT_MS = 2_000;

export async function createOrdersTable(db: Kysely<Database>): Promise<void> {
  await db.schema
    .createTable('orders')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('status', 'text', (column) => column.notNull())
    .execute();
}

export function addOpenOrder(id: string) {
  return (db: Kysely<Database>) => db.insertInto('orders').values({ id, status: 'open' }).execute();
}

export function payOrder(id: string) {
  return (db: Kysely<Database>) =>
    db.updateTable('orders').set({ status: 'paid' }).where('id', '=', id).execute();
}

/** The sessions of a service of its own, and how its reads went. */
export function openSessions(primaryUrl: string, replicaUrl: string) {
  const primary = connect<Database>(primaryUrl, {
    query_timeout: QUERY_TIMEOUT_MS,
    pipeline: true, // or the client that waited in vain would be used again
  });
  const replica = connect<Database>(replicaUrl);
  onTestFinished(async () => {
    await Promise.all([primary.end(), replica.end()]);
  });
  const { reports, onOutcome } = recordReads();
  const sessions = createSessions<Database>({
    primary: primary.db,
    replica: replica.db,
    retryMs: { max: WINDOW_MS },
    onOutcome,
  });
  return { sessions, primary, replica, reports };
}

/** As if the middleware were not used. */
export function withoutMiddleware(sessions: Sessions<Database>): Sessions<Database> {
  return {
    ...sessions,
    async handle(_position, next) {
      await next();
      return undefined;
    },
  };
}

/** A client that sends the cookie that it got last, as browsers do. */
export class Browser {
  cookie = '';
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async request(path: string, method = 'GET'): Promise<{ status: number; body: unknown }> {
    const headers = { cookie: this.cookie };
    const response = await fetch(`${this.#url}${path}`, { method, headers });
    for (const cookie of response.headers.getSetCookie()) this.cookie = cookie.replace(/;.*/, '');
    return { status: response.status, body: await response.json() };
  }
}
