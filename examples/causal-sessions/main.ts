import { once } from 'node:events';
import { promisify } from 'node:util';
import { serve } from '@hono/node-server';
import type { Hono } from 'hono';
import { Kysely, PostgresDialect } from 'kysely';
import { surviveConnectionErrors } from 'kysely-replica-fallback/postgres';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import { Pool } from 'pg';
import type { Database } from './orders.ts';
import { createReceipts, createShop } from './services.ts';
import { createSessions } from './sessions.ts';

const LIMITS = { connectionTimeoutMillis: 2_000, query_timeout: 2_000, pipeline: true };

function connect(connectionString: string): Kysely<Database> {
  const pool = new Pool({ connectionString, ...LIMITS });
  surviveConnectionErrors(pool);
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
}

async function listen({ fetch }: Hono) {
  const server = serve({ fetch, port: 0, hostname: '127.0.0.1' });
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('The server has no port.');
  return { url: `http://127.0.0.1:${address.port}`, close: promisify(server.close.bind(server)) };
}

/** For each service its own: what one knows of the other's comes over HTTP. */
const createServiceSessions = (service: string) =>
  createSessions<Database>({
    primary,
    replica,
    retryMs: { max: 5_000 },
    onOutcome: ({ outcome }) => console.log(`  ${service} read from ${outcome}`),
  });

const cluster = await startReplicationCluster({ runtime: 'embedded' });
const [standby] = cluster.replicas;
const primary = connect(cluster.primary.connectionString);
const replica = connect(standby.connectionString);
await primary.schema
  .createTable('orders')
  .addColumn('id', 'text', (column) => column.primaryKey())
  .addColumn('status', 'text', (column) => column.notNull())
  .execute();
await primary.insertInto('orders').values({ id: '1', status: 'open' }).execute();
await standby.waitForReplay();
await standby.setApplyDelay(500);

const receipts = await listen(createReceipts(createServiceSessions('receipts')));
const shop = await listen(createShop(createServiceSessions('shop'), receipts.url));

console.log('A browser pays an order, and gets a receipt:');
const paid = await fetch(`${shop.url}/orders/1/pay`, { method: 'POST' });
console.log(`  ${await paid.text()}`);

console.log('It looks at the order again, with the cookie that it got:');
const [cookie = ''] = paid.headers.getSetCookie();
const seen = await fetch(`${shop.url}/orders/1`, { headers: { cookie: cookie.split(';', 1)[0] } });
console.log(`  ${await seen.text()}`);

await Promise.all([shop.close(), receipts.close()]);
await Promise.all([primary.destroy(), replica.destroy()]);
await cluster.stop();
