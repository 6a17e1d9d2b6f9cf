import { Hono } from 'hono';
import { causalSession, cookie, header } from './middleware.ts';
import { createOrders, type Database } from './orders.ts';
import type { Sessions } from './sessions.ts';

/** Serves browsers. It writes orders; what their receipts say, it asks the other service. */
export function createShop(sessions: Sessions<Database>, receiptsUrl: string): Hono {
  const { findOrder, payOrder } = createOrders(sessions);
  const findReceipt = async (id: string): Promise<unknown> => {
    const response = await sessions.call(`${receiptsUrl}/receipts/${id}`);
    return response.json();
  };
  return new Hono()
    .use(causalSession(sessions, cookie))
    .get('/orders/:id', async (c) => c.json((await findOrder(c.req.param('id'))) ?? null))
    .get('/orders/:id/receipt', async (c) => c.json(await findReceipt(c.req.param('id'))))
    .post('/orders/:id/pay', async (c) => {
      await payOrder(c.req.param('id'));
      return c.json(await findReceipt(c.req.param('id')));
    });
}

/** Serves other services. It only reads. */
export function createReceipts(sessions: Sessions<Database>): Hono {
  const { findOrder } = createOrders(sessions);
  return new Hono().use(causalSession(sessions, header)).get('/receipts/:id', async (c) => {
    const order = await findOrder(c.req.param('id'));
    return c.json(order === undefined ? null : { text: `Order ${order.id} is ${order.status}.` });
  });
}
