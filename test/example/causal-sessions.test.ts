import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Database } from '../../examples/causal-sessions/orders.ts';
import { createReceipts, createShop } from '../../examples/causal-sessions/services.ts';
import { compareWalPositions } from '../../src/postgres/wal-position.ts';
import {
  addOpenOrder,
  Browser,
  createOrdersTable,
  openSessions,
  payOrder,
  WINDOW_MS,
  withoutMiddleware,
} from '../support/example/causal-services.ts';
import type { Connection } from '../support/connect.ts';
import { startExample } from '../support/example/example-process.ts';
import {
  type ReplicatedDatabase,
  startReplicatedDatabase,
} from '../support/replicated-database.ts';
import { serveApp } from '../support/serve.ts';

let database: ReplicatedDatabase<Database>;
const lagging = () => database.cluster.replicas[0];
const current = () => database.cluster.replicas[1]!;

beforeAll(async () => {
  database = await startReplicatedDatabase<Database>(createOrdersTable);
});
afterEach(() => database.catchUp());
afterAll(() => database?.end());

let orders = 0;

/** An order that is not paid on any server. */
async function addOrder(): Promise<string> {
  const id = `order-${++orders}`;
  await database.write(addOpenOrder(id));
  await current().waitForReplay();
  return id;
}

/** Lets the standby that lags catch up as soon as a read in a session has found it behind. */
async function catchUpOnceAsked({ queries }: Connection<Database>, since = 0): Promise<void> {
  const isAsked = () => queries.slice(since).some((sql) => sql.includes('replay_lsn'));
  await expect.poll(isAsked).toBe(true);
  await database.catchUp();
}

type Change = typeof withoutMiddleware;
const asItIs: Change = (sessions) => sessions;

/** A shop on the standby that lags, and the receipts on this one. */
async function open(standby = lagging(), { shop = asItIs, receipts = asItIs } = {}) {
  const { connectionString } = database.cluster.primary;
  const ofReceipts = openSessions(connectionString, standby.connectionString);
  const receiptsUrl = await serveApp(createReceipts(receipts(ofReceipts.sessions)));
  const ofShop = openSessions(connectionString, lagging().connectionString);
  const url = await serveApp(createShop(shop(ofShop.sessions), receiptsUrl));
  return {
    url,
    receiptsUrl,
    browser: new Browser(url),
    shopReplica: ofShop.replica,
    receiptsReplica: ofReceipts.replica,
    shopReads: ofShop.reports,
    receiptReads: ofReceipts.reports,
  };
}

test('one service sees in its standby what another wrote, once that has caught up', async () => {
  const id = await addOrder();
  await database.holdBack();
  const { browser, receiptsReplica, receiptReads } = await open();

  const paying = browser.request(`/orders/${id}/pay`, 'POST');
  await catchUpOnceAsked(receiptsReplica);
  const { body } = await paying;

  expect(body).toEqual({ text: `Order ${id} is paid.` });
  expect(receiptReads).toMatchObject([
    { outcome: 'replica_retry', recovery: { catchUp: { waitedFor: 'after', end: 'caught_up' } } },
  ]);
});

test.for([
  { where: 'both services', changes: { shop: withoutMiddleware, receipts: withoutMiddleware } },
  { where: 'the one that writes', changes: { shop: withoutMiddleware } },
  { where: 'the one that reads', changes: { receipts: withoutMiddleware } },
])('without the middleware in $where, the other sees what was before', async ({ changes }) => {
  const id = await addOrder();
  await database.holdBack();
  const { browser, receiptReads } = await open(lagging(), changes);

  const { body } = await browser.request(`/orders/${id}/pay`, 'POST');

  expect(body).toEqual({ text: `Order ${id} is open.` });
  expect(receiptReads).toMatchObject([{ outcome: 'replica' }]);
});

test('the next request of a browser sees what this one wrote, and that of another may not', async () => {
  const id = await addOrder();
  await database.holdBack();
  const { url, browser, shopReplica, shopReads } = await open(current());

  await browser.request(`/orders/${id}/pay`, 'POST');
  const others = await new Browser(url).request(`/orders/${id}`);
  const reading = browser.request(`/orders/${id}`);
  await catchUpOnceAsked(shopReplica, shopReplica.queries.length);
  const own = await reading;

  expect(others.body).toEqual({ id, status: 'open' });
  expect(own.body).toEqual({ id, status: 'paid' });
  expect(shopReads).toMatchObject([{ outcome: 'replica' }, { outcome: 'replica_retry' }]);
});

test('a browser sees no less in one service than what another has shown to it', async () => {
  const id = await addOrder();
  await database.holdBack();
  const { url, browser } = await open(current());
  await payOrder(id)(database.primary.db);
  await current().waitForReplay();

  const receipt = await browser.request(`/orders/${id}/receipt`);
  const others = await new Browser(url).request(`/orders/${id}`);
  const reading = browser.request(`/orders/${id}`);
  await database.catchUp();

  expect(receipt.body).toEqual({ text: `Order ${id} is paid.` });
  expect(others.body).toEqual({ id, status: 'open' });
  expect((await reading).body).toEqual({ id, status: 'paid' });
});

test('two requests at the same time on one connection have sessions of their own', async () => {
  const [written, other] = [await addOrder(), await addOrder()];
  await database.holdBack();
  const { url, shopReads, receiptsReplica } = await open();
  const { hostname, port, host } = new URL(url);
  const client = connect(Number(port), hostname);
  await once(client, 'connect');

  client.write(
    `POST /orders/${written}/pay HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\n\r\n` +
      `GET /orders/${other} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
  );
  await expect.poll(() => shopReads).toHaveLength(1);
  await catchUpOnceAsked(receiptsReplica);
  const answers = await text(client);

  expect(answers).toContain(`{"text":"Order ${written} is paid."}`);
  expect(answers).toContain(`{"id":"${other}","status":"open"}`);
  expect(shopReads).toMatchObject([{ outcome: 'replica', attempts: 1 }]);
  const [first = '', second = ''] = Array.from(
    answers.matchAll(/position=([^;]+)/g),
    ([, position]) => position,
  );
  expect(compareWalPositions(second, first)).toBe('behind');
});

test.for([
  '',
  'nonsense',
  'now',
  '%00',
  '%E0%A4%A',
  '__proto__',
  '000000000000-0',
  '000000000000-ffffffffffffffff',
  '000000000000-fffffffffffffffff',
  'a; position=b',
])('a request with the position "%s" is answered, and soon', async (position) => {
  const id = await addOrder();
  const { browser, receiptsUrl } = await open();
  browser.cookie = `position=${position}`;
  const startedAt = performance.now();

  const order = await browser.request(`/orders/${id}`);
  const headers = { 'X-Position': position };
  const receipt = await fetch(`${receiptsUrl}/receipts/${id}`, { headers });

  expect(order).toEqual({ status: 200, body: { id, status: 'open' } });
  expect(receipt.status).toBe(200);
  expect(performance.now() - startedAt).toBeLessThan(WINDOW_MS / 2);
});

test('a position beyond that of the primary is answered by the standby, and soon', async () => {
  const id = await addOrder();
  const { browser, shopReads } = await open();
  await browser.request(`/orders/${id}`);
  browser.cookie = browser.cookie.replace(/-.*/, '-ffffffffffffffff');

  const { body } = await browser.request(`/orders/${id}`);

  expect(body).toEqual({ id, status: 'open' });
  expect(shopReads[1]?.outcome).toBe('replica_retry');
  expect(shopReads[1]?.durationMs).toBeLessThan(WINDOW_MS / 2);
});

test('a browser keeps the position in a cookie that no script can read', async () => {
  const id = await addOrder();
  const { url } = await open();

  const { headers } = await fetch(`${url}/orders/${id}`);

  expect(headers.get('set-cookie')).toMatch(
    /^position=[\da-f]{12}-[\da-f]+; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
  );
  expect(headers.get('x-position')).toBeNull();
});

test('the example prints that a receipt waited for the standby, and what the browser saw', async () => {
  const example = startExample('causal-sessions/main.ts');
  expect(await example.ended).toBe(0);
  expect(example.output.stderr).toBe('');
  expect(example.output.stdout.split('\n')).toEqual([
    'A browser pays an order, and gets a receipt:',
    '  receipts read from replica_retry',
    '  {"text":"Order 1 is paid."}',
    'It looks at the order again, with the cookie that it got:',
    '  shop read from replica',
    '  {"id":"1","status":"paid"}',
    '',
  ]);
});
