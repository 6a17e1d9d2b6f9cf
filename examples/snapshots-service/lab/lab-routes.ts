import { setTimeout as sleep } from 'node:timers/promises';
import { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import { sendProblem } from '../service/problem.ts';
import type { Lab } from './lab.ts';
import { createPageRoutes } from './page-routes.ts';
import { readScene } from './read-scene.ts';
import { readSettings } from './read-settings.ts';

const TICK_MS = 200;
/** How long a page waits before it connects again. */
const RECONNECT_MS = 1000;
/** How many pages may be open at once. */
const MOST_VISITS = 20;

/** The lab's page, and under `/lab/` what it asks for. */
export function createLabRoutes(lab: Lab): Hono {
  const app = new Hono();

  app.route('/', createPageRoutes());

  app.patch('/lab/settings', async (c) => {
    await lab.change(await readSettings(c.req, () => lab.state().settings));
    return c.json(lab.state());
  });

  app.post('/lab/scene', async (c) => {
    const scene = await readScene(c.req);
    if (scene === null) await lab.stopScene();
    else lab.play(scene);
    return c.json(lab.state(), scene === null ? 200 : 202);
  });

  app.post('/lab/draft', async (c) => c.json(await lab.draft()));

  app.get('/lab/events', (c) => {
    if (lab.visits >= MOST_VISITS) {
      const detail = `There are ${MOST_VISITS} pages of the lab open already.`;
      return sendProblem(c, { status: 503, detail, retryAfter: 5 });
    }
    // Nobody reads the answer to a HEAD, or ends it: it would be a visit for ever.
    if (c.req.method === 'HEAD') return c.body(null, 200, { 'Content-Type': 'text/event-stream' });
    // A visitor who is slow is told less often: nothing is kept for anybody.
    return streamSSE(c, async (stream) => {
      const visit = lab.visit();
      stream.onAbort(visit.end);
      let version = 0;
      for (let event = 'history'; !visit.over.aborted; event = 'news') {
        if (version !== lab.version) {
          ({ version } = lab);
          await stream.writeSSE({ event: 'state', data: JSON.stringify(lab.state()) });
        }
        const news = visit.news();
        await stream.writeSSE({ event, data: JSON.stringify(news), retry: RECONNECT_MS });
        if (!news.isPart) await sleep(TICK_MS, undefined, { signal: visit.over }).catch(() => {});
      }
    });
  });

  return app;
}
