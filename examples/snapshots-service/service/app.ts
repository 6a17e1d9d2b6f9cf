import { Hono } from 'hono';
import type { Context } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { secureHeaders } from 'hono/secure-headers';
import { validator } from 'hono/validator';
import type { ReadSnapshotsSince, SnapshotTables } from 'kysely-replica-fallback/snapshots';
import type { Kysely } from 'kysely';
import { noRows, type ReadReport } from 'kysely-replica-fallback';
import { causalSession, header } from '../../causal-sessions/middleware.ts';
import type { Sessions } from '../../causal-sessions/sessions.ts';
import { checkInput } from './check-input.ts';
import { clientGoneSignal } from './client-gone.ts';
import { isUp, type Databases } from './databases.ts';
import { ownHostOnly, ownOriginOnly } from './guard.ts';
import type { Log } from './log.ts';
import { type Metrics, METRICS_CONTENT_TYPE } from './metrics.ts';
import { sendProblem, toProblem } from './problem.ts';
import { readChange, readNewSnapshot, RunPath, SinceQuery, SnapshotPath } from './request-input.ts';
import { RunNotFoundError } from './run-not-found-error.ts';
import { listSnapshots } from './snapshot-list.ts';
import { appendSnapshot, createRun, describeSnapshot } from './snapshot-writer.ts';

/** What the routes need. */
export interface AppParts {
  readonly databases: Pick<Databases, 'primary' | 'replica'>;
  readonly since: ReadSnapshotsSince<Kysely<SnapshotTables>>;
  /** For what may change: where a row that is there may be an old one. */
  readonly sessions: Sessions<SnapshotTables>;
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
export function createApp({ databases, since, sessions, metrics, log }: AppParts): App {
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
      const question = { ...c.req.valid('param'), ...c.req.valid('query') };
      return c.json(await since(question, watch(c)));
    },
  );

  const inSession = causalSession(sessions, header);

  app.patch(
    '/runs/:runId/snapshots/:snapshotId',
    inSession,
    validator('param', (path) => checkInput(SnapshotPath, path)),
    async (c) => {
      const key = c.req.valid('param');
      const { description } = await readChange(c.req);
      await sessions.write((db) => describeSnapshot(db, key, description));
      return c.json(key);
    },
  );

  app.get(
    '/runs/:runId/snapshots',
    inSession,
    validator('param', (path) => checkInput(RunPath, path)),
    async (c) => {
      const { runId } = c.req.valid('param');
      const snapshots = await sessions.read((db) => listSnapshots(db, runId), {
        ...watch(c),
        isMiss: noRows,
        operation: 'snapshots',
      });
      if (snapshots.length === 0) throw new RunNotFoundError(runId);
      return c.json({ snapshots });
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

/** Options of a read: it ends when the client hangs up, and `Server-Timing` tells how it ended. */
function watch(c: Context<AppEnv>) {
  c.header('Server-Timing', 'bypass'); // unless there is an outcome to tell of
  return {
    signal: clientGoneSignal(c.req.raw),
    onOutcome({ outcome, durationMs, error }: ReadReport) {
      c.header('Server-Timing', `${outcome};dur=${durationMs.toFixed(1)}`);
      c.set('readError', error);
    },
  };
}
