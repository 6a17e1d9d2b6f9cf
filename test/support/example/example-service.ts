import { afterEach, expect } from 'vitest';
import { POSITION_HEADER } from '../../../examples/causal-sessions/sessions.ts';
import type { App } from '../../../examples/snapshots-service/service/app.ts';
import {
  type Config,
  type DatabaseUrls,
  readConfig,
} from '../../../examples/snapshots-service/service/config.ts';
import {
  type Databases,
  openDatabases,
} from '../../../examples/snapshots-service/service/databases.ts';
import { listen } from '../../../examples/snapshots-service/service/listen.ts';
import { createLog, type Log } from '../../../examples/snapshots-service/service/log.ts';
import { createService } from '../../../examples/snapshots-service/service/service.ts';
import type { SnapshotKey } from '../../../examples/snapshots-service/service/snapshot-writer.ts';

/** An answer of the service, with its body read. */
export interface ExampleAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON, or `undefined` when it is none. */
  readonly body: unknown;
}

/** The example's service on a free port, and what it logged. */
export interface ExampleService {
  readonly url: string;
  readonly log: readonly Record<string, unknown>[];
  request(path: string, init?: RequestInit): Promise<ExampleAnswer>;
  /** Posts a value as JSON, or nothing. */
  post(path: string, body?: unknown): Promise<ExampleAnswer>;
  createRun(): Promise<SnapshotKey>;
  append(runId: string, body?: unknown): Promise<SnapshotKey>;
  since(key: SnapshotKey, query?: string): Promise<ExampleAnswer>;
  describe(key: SnapshotKey, description: unknown): Promise<ExampleAnswer>;
  /** @param position - where the client's session is */
  list(runId: string, position?: string | null): Promise<ExampleAnswer>;
  /** Resolves when a read waits for the standby, for the first time. */
  waitsForStandby(): Promise<void>;
}

export interface ExampleServiceOptions {
  readonly settings?: Partial<Pick<Config, 'enabled' | 'retryMs' | 'catchUp'>>;
  /** Makes the app. Default is `createService`. */
  readonly create?: (databases: Databases, log: Log) => App;
}

const DEFAULTS = readConfig({});

const closings: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closings.splice(0).map((close) => close()));
});

/** Starts the service, until the test ends. */
export async function startExampleService(
  urls: DatabaseUrls,
  { settings, create }: ExampleServiceOptions = {},
): Promise<ExampleService> {
  const lines: Record<string, unknown>[] = [];
  const log = createLog('info', {
    write: (line) => void lines.push(JSON.parse(line)),
  });
  const databases = openDatabases(urls, log);
  const app =
    create?.(databases, log) ?? createService(databases, { ...DEFAULTS, ...settings }, log);
  const server = await listen(app, 0);
  closings.push(async () => {
    await server.close();
    await databases.close();
  });

  const request = (path: string, init?: RequestInit) =>
    requestExample(`${server.url}${path}`, init);
  const send = (method: string, path: string, body?: unknown): Promise<ExampleAnswer> =>
    request(path, {
      method,
      ...(body !== undefined && {
        body: JSON.stringify(body),
        headers: { 'Content-Type': 'application/json' },
      }),
    });
  const post = (path: string, body?: unknown) => send('POST', path, body);
  return {
    url: server.url,
    log: lines,
    request,
    post,
    createRun: async () => (await post('/runs')).body as SnapshotKey,
    append: async (runId, body) =>
      (await post(`/runs/${runId}/snapshots`, body)).body as SnapshotKey,
    since: ({ runId, snapshotId }, query = '') =>
      request(`/runs/${runId}/snapshots/since/${snapshotId}${query}`),
    describe: ({ runId, snapshotId }, description) =>
      send('PATCH', `/runs/${runId}/snapshots/${snapshotId}`, { description }),
    list: (runId, position) =>
      request(`/runs/${runId}/snapshots`, {
        headers: position == null ? {} : { [POSITION_HEADER]: position },
      }),
    waitsForStandby: () => readWaits(server.url),
  };
}

/** Resolves when a read of the service at this URL waits for the standby, for the first time. */
export async function readWaits(url: string): Promise<void> {
  const readMetrics = async () => (await requestExample(`${url}/metrics`)).text;
  await expect.poll(readMetrics).toMatch(/^replica_fallback_watch_queries_total\{.*\} [1-9]/m);
}

export async function requestExample(url: string, init?: RequestInit): Promise<ExampleAnswer> {
  const response = await fetch(url, init);
  const text = await response.text();
  const isJson = text !== '' && response.headers.get('Content-Type')?.includes('json'); // a HEAD has no body
  const body: unknown = isJson ? JSON.parse(text) : undefined;
  return { status: response.status, headers: response.headers, text, body };
}

/** How the service says that a read ended. */
export function outcomeOf({ headers }: ExampleAnswer): string | undefined {
  return headers.get('Server-Timing')?.split(';')[0];
}

/** What is to be seen of an answer that is a problem. */
export function problemOf({ status, headers, body }: ExampleAnswer): object {
  const mediaType = headers.get('Content-Type');
  return { status, mediaType, retryAfter: headers.get('Retry-After'), body };
}

/** What `problemOf` an answer has to be. */
export function aProblem(status: number, title: string, detail: string): object {
  return {
    status,
    mediaType: 'application/problem+json',
    retryAfter: status === 503 ? '1' : null,
    body: { type: 'about:blank', title, status, detail },
  };
}
