import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { secureHeaders } from 'hono/secure-headers';
import { validator } from 'hono/validator';
import type { ReadSnapshotsSince, SnapshotTables } from 'kysely-replica-fallback/snapshots';
import type { Kysely } from 'kysely';
import { checkInput } from './check-input.ts';
import { clientGoneSignal } from './client-gone.ts';
import { isUp, type Databases } from './databases.ts';
import { ownHostOnly, ownOriginOnly } from './guard.ts';
import type { Log } from './log.ts';
import { type Metrics, METRICS_CONTENT_TYPE } from './metrics.ts';
import { sendProblem, toProblem } from './problem.ts';
import { readNewSnapshot, RunPath, SinceQuery, SnapshotPath } from './request-input.ts';
import { appendSnapshot, createRun } from './snapshot-writer.ts';

/** What the routes need. */
export interface AppParts {
  readonly databases: Pick<Databases, 'primary' | 'replica'>;
  /** Reads for the one route that may ask the replica. */
  readonly since: ReadSnapshotsSince<Kysely<SnapshotTables>>;
  readonly metrics: Metrics;
  readonly log: Log;
}

/**
 * The service's routes. A request remembers the error of its read, because the read has logged that
 * one.
 */
export type App = Hono<AppEnv>;
type AppEnv = { Variables: { readError: unknown } };

const HIGHEST_BODY_BYTES = 64 * 1024;

/**
 * The routes of the service. They know nothing of where it listens, or of what runs its databases.
 */
export function createApp({ databases, since, metrics, log }: AppParts): App {
  const { primary, replica } = databases;
  const app = new Hono<AppEnv>();

  app.use(
    secureHeaders({
      contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
      strictTransportSecurity: false, // it is served without TLS, on this machine only
      overwrite: false, // the lab's page may load its own scripts
    }),
    ownHostOnly,
    ownOriginOnly,
    bodyLimit({
      maxSize: HIGHEST_BODY_BYTES,
      onError: (c) => {
        const detail = `Expected a body of at most ${HIGHEST_BODY_BYTES} bytes.`;
        return sendProblem(c, { status: 413, detail });
      },
    }),
  );

  app.post('/runs', async (c) => {
    return c.json(await createRun(primary, await readNewSnapshot(c.req)), 201);
  });

  app.post(
    '/runs/:runId/snapshots',
    validator('param', (path) => checkInput(RunPath, path)),
    async (c) => {
      const { runId } = c.req.valid('param');
      return c.json(await appendSnapshot(primary, runId, await readNewSnapshot(c.req)), 201);
    },
  );

  app.get(
    '/runs/:runId/snapshots/since/:snapshotId',
    validator('param', (path) => checkInput(SnapshotPath, path)),
    validator('query', (query) => checkInput(SinceQuery, query)),
    async (c) => {
      c.header('Server-Timing', 'bypass'); // unless there is an outcome to tell of
      const page = await since(
        { ...c.req.valid('param'), ...c.req.valid('query') },
        {
          signal: clientGoneSignal(c.req.raw),
          onOutcome({ outcome, durationMs, error }) {
            c.header('Server-Timing', `${outcome};dur=${durationMs.toFixed(1)}`);
            c.set('readError', error);
          },
        },
      );
      return c.json(page);
    },
  );

  app.get('/health', async (c) => {
    const [primaryUp, replicaUp] = await Promise.all([isUp(primary), isUp(replica)]);
    const up = { primary: primaryUp, replica: replicaUp };
    return primaryUp && replicaUp ? c.json({ up }) : c.json({ up }, 503, { 'Retry-After': '1' });
  });

  app.get('/metrics', async (c) =>
    c.body(await metrics.text(), 200, { 'Content-Type': METRICS_CONTENT_TYPE }),
  );

  app.notFound((c) =>
    sendProblem(c, { status: 404, detail: `There is no ${c.req.method} ${c.req.path} here.` }),
  );

  app.onError((error, c) => {
    const { method, path, raw } = c.req;
    const isLogged = error === c.get('readError');
    if (raw.signal.aborted) {
      if (!isLogged) log.info('A client hung up.', { method, path, error });
      return new Response(null, { status: 499 });
    }
    const problem = toProblem(error);
    if (problem.status >= 500 && !isLogged) {
      log.error('A request failed.', { method, path, error });
    }
    return sendProblem(c, problem);
  });

  return app;
}
