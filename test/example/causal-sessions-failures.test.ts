import type { RequestListener } from 'node:http';
import { Hono } from 'hono';
import { sql } from 'kysely';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { causalSession, cookie } from '../../examples/causal-sessions/middleware.ts';
import { createOrders, type Database } from '../../examples/causal-sessions/orders.ts';
import { POSITION_HEADER, type Sessions } from '../../examples/causal-sessions/sessions.ts';
import {
  addOpenOrder,
  Browser,
  createOrdersTable,
  openSessions,
  payOrder,
} from '../support/example/causal-services.ts';
import { replicatedDatabase } from '../support/replicated-database.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { serve, serveApp } from '../support/serve.ts';

const database = await replicatedDatabase<Database>(createOrdersTable);
afterEach(() => database.catchUp());

interface Service {
  readonly sessions: Sessions<Database>;
  readonly proxy: TcpProxy;
}

type Pay = (id: string, service: Service) => Promise<unknown>;

/** A service that pays orders in a way of its own. It reaches the primary through the proxy. */
async function open(payInItsWay: Pay) {
  const { primary, replicas } = database.cluster;
  const proxy = await startTcpProxy(primary.connectionString);
  onTestFinished(() => proxy.close());
  const { sessions } = openSessions(proxy.connectionString, replicas[0].connectionString);
  const { findOrder } = createOrders(sessions);
  const app = new Hono()
    .use(causalSession(sessions, cookie))
    .get('/orders/:id', async (c) => c.json(await findOrder(c.req.param('id'))))
    .post('/orders/:id/pay', async (c) => {
      await payInItsWay(c.req.param('id'), { sessions, proxy });
      return c.json('paid');
    })
    .onError((_error, c) => c.json('failed', 500));
  return { url: await serveApp(app), proxy };
}

const pay: Pay = (id, { sessions }) => createOrders(sessions).payOrder(id);

/** Has another service pay, which answers like this. */
function payElsewhere(answer: RequestListener): Pay {
  return async (id, { sessions }) => {
    const url = await serve(async (request, response) => {
      await payOrder(id)(database.primary.db);
      answer(request, response);
    });
    await sessions.call(url, { method: 'POST' });
  };
}

test.for<{ what: string; payInItsWay: Pay; status?: number }>([
  {
    what: 'the primary refuses connections when it is asked for the position',
    async payInItsWay(id, service) {
      await pay(id, service);
      service.proxy.refuse();
    },
  },
  {
    what: 'the primary does not answer when it is asked for the position',
    async payInItsWay(id, service) {
      await pay(id, service);
      service.proxy.blackHole();
    },
  },
  {
    what: 'it failed after its commit',
    payInItsWay: (id, { sessions }) =>
      sessions.write(async (transaction) => {
        await payOrder(id)(transaction);
        await sql`commit`.execute(transaction);
        throw new Error('The answer was lost.');
      }),
    status: 500,
  },
  {
    what: 'the service that wrote it hung up',
    payInItsWay: payElsewhere((request) => request.socket.destroy()),
    status: 500,
  },
  {
    what: 'the service that wrote it tells no position',
    payInItsWay: payElsewhere((_request, response) => response.end()),
  },
  {
    what: 'the service that wrote it was not told the position',
    payInItsWay: payElsewhere((_request, response) => {
      response.setHeader(POSITION_HEADER, 'now').end();
    }),
  },
])('a browser sees its write, although $what', async ({ what: id, payInItsWay, status = 200 }) => {
  await database.write(addOpenOrder(id));
  await database.holdBack();
  const { url, proxy } = await open(payInItsWay);
  const path = `/orders/${encodeURIComponent(id)}`;
  const browser = new Browser(url);

  const paid = await browser.request(`${path}/pay`, 'POST');
  await proxy.pass();
  const others = await new Browser(url).request(path);
  const reading = browser.request(path);
  await database.catchUp();

  expect(paid.status).toBe(status);
  expect(others.body).toEqual({ id, status: 'open' });
  expect((await reading).body).toEqual({ id, status: 'paid' });
});
