import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { createSnapshotTables, type SnapshotTables } from 'kysely-replica-fallback/snapshots';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DatabaseUrls } from '../../examples/snapshots-service/service/config.ts';
import type { SnapshotKey } from '../../examples/snapshots-service/service/snapshot-writer.ts';
import { v7 as uuidV7 } from 'uuid';
import { createServiceWithoutFallback } from '../../examples/snapshots-service/service/service.ts';
import { aProblem, problemOf, startExampleService } from '../support/example/example-service.ts';
import { requestRaw } from '../support/example/raw-request.ts';
import {
  type ReplicatedDatabase,
  startReplicatedDatabase,
} from '../support/replicated-database.ts';

const UUID_V7 = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/;
const MANY_WAITPOINTS = JSON.stringify({ waitpoints: Array.from({ length: 101 }, () => ({})) });
const DEEP = '['.repeat(30_000) + ']'.repeat(30_000);
const NOBODY = uuidV7();
const NOWHERE: SnapshotKey = { runId: NOBODY, snapshotId: NOBODY };
const A_MINUTE = { min: 60_000, max: 60_000 };

describe("the example's service", () => {
  let database: ReplicatedDatabase<SnapshotTables>;
  let urls: DatabaseUrls;

  beforeAll(async () => {
    database = await startReplicatedDatabase(createSnapshotTables);
    const { primary, replicas } = database.cluster;
    urls = { primary: primary.connectionString, replica: replicas[0].connectionString };
  });
  afterAll(() => database?.end());

  test('creates runs and appends snapshots, with ids that sort by creation', async () => {
    const service = await startExampleService(urls);
    const created = await service.post('/runs');
    expect(created.status).toBe(201);
    const { runId, snapshotId } = created.body as SnapshotKey;

    const appended = await service.post(`/runs/${runId}/snapshots`, { description: 'next' });
    expect(appended.status).toBe(201);
    expect(appended.body).toEqual({ runId, snapshotId: expect.stringMatching(UUID_V7) });

    const ids = [runId, snapshotId, (appended.body as SnapshotKey).snapshotId];
    expect(ids).toEqual(ids.map(() => expect.stringMatching(UUID_V7)));
    expect(ids).toEqual(ids.toSorted((a, b) => (a < b ? -1 : 1)));
  });

  test('answers what came after a snapshot, oldest first, with the waitpoints of the newest', async () => {
    const service = await startExampleService(urls);
    const key = await service.createRun();
    const second = await service.append(key.runId, { executionStatus: 'SUSPENDED' });
    const third = await service.append(key.runId, {
      description: 'woken',
      waitpoints: [{ output: 'b' }, { output: 'a' }, {}],
    });
    await database.catchUp();
    const answer = await service.since(key);

    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      hasMore: false,
      snapshots: [
        { id: second.snapshotId, executionStatus: 'SUSPENDED', completedWaitpoints: [] },
        {
          id: third.snapshotId,
          runId: key.runId,
          description: 'woken',
          completedWaitpoints: [{ output: 'b' }, { output: 'a' }, { output: null }],
        },
      ],
    });
    expect((await service.since(third)).body).toEqual({ snapshots: [], hasMore: false });
  });

  test('keeps the oldest snapshots within a limit, and says that there are more', async () => {
    const service = await startExampleService(urls);
    const key = await service.createRun();
    const second = await service.append(key.runId);
    await service.append(key.runId);
    await database.catchUp();
    const answer = await service.since(key, '?limit=1');
    expect(answer.body).toMatchObject({ hasMore: true, snapshots: [{ id: second.snapshotId }] });
  });

  test('takes ids in capital letters for the same ids', async () => {
    const service = await startExampleService(urls);
    const { runId, snapshotId } = await service.createRun();
    const key = { runId: runId.toUpperCase(), snapshotId: snapshotId.toUpperCase() };
    expect((await service.since(key)).status).toBe(200);
  });

  test.for<[string, (key: SnapshotKey, other: SnapshotKey) => SnapshotKey]>([
    ['an unknown snapshot', ({ runId }) => ({ runId, snapshotId: NOBODY })],
    ['a snapshot of another run', ({ runId }, { snapshotId }) => ({ runId, snapshotId })],
    ['an unknown run', ({ snapshotId }) => ({ runId: NOBODY, snapshotId })],
  ])('answers 404 for %s, and logs it once, as no error, without a stack', async ([, choose]) => {
    const service = await startExampleService(urls, { settings: { retryMs: A_MINUTE } });
    const key = choose(await service.createRun(), await service.createRun());
    const detail = `Run "${key.runId}" has no snapshot "${key.snapshotId}".`;
    const answer = await service.since(key);

    expect(problemOf(answer)).toEqual(aProblem(404, 'Not Found', detail));
    expect(answer.headers.get('Server-Timing')).toMatch(/^not_found;dur=\d+\.\d$/);
    expect(service.log).toMatchObject([
      {
        time: expect.any(String),
        level: 'info',
        message: 'A client asked about a snapshot that does not exist.',
        operation: 'snapshots_since',
        outcome: 'not_found',
        attempts: 2,
        durationMs: expect.any(Number),
        failedDuring: 'replica_retry',
        error: detail,
      },
    ]);
  });

  test('answers 404 to a snapshot for an unknown run', async () => {
    const service = await startExampleService(urls);
    const detail = `There is no run "${NOBODY}".`;
    expect(problemOf(await service.post(`/runs/${NOBODY}/snapshots`))).toEqual(
      aProblem(404, 'Not Found', detail),
    );
    expect(service.log).toEqual([]);
  });

  test.for(['GET /', 'GET /runs', 'DELETE /health', 'DELETE /runs/1/snapshots'])(
    'answers 404 to %s, which it does not know',
    async (request) => {
      const service = await startExampleService(urls);
      const [method = '', path = ''] = request.split(' ');
      expect(problemOf(await service.request(path, { method }))).toEqual(
        aProblem(404, 'Not Found', `There is no ${request} here.`),
      );
    },
  );

  test.for(['0', '1001', '-1', '2.5', '1e2', ''])(
    'answers 400 to a limit of "%s"',
    async (limit) => {
      const service = await startExampleService(urls);
      expect(problemOf(await service.since(NOWHERE, `?limit=${limit}`))).toEqual(
        aProblem(
          400,
          'Bad Request',
          `Expected \`limit\` to be an integer from 1 to 1000, got "${limit}".`,
        ),
      );
      expect(service.log).toEqual([]);
    },
  );

  test('answers 400 to several limits', async () => {
    const service = await startExampleService(urls);
    expect(problemOf(await service.since(NOWHERE, '?limit=1&limit=2'))).toEqual(
      aProblem(
        400,
        'Bad Request',
        'Expected `limit` to be an integer from 1 to 1000, got ["1","2"].',
      ),
    );
  });

  test.for([
    ['runId', { runId: 'x', snapshotId: NOBODY }, '"x"'],
    ['snapshotId', { runId: NOBODY, snapshotId: '%00' }, '"\\u0000"'],
    ['snapshotId', { runId: NOBODY, snapshotId: '%E0' }, '"%E0"'],
  ] as const)('answers 400 to a %s that is malformed', async ([name, key, given]) => {
    const service = await startExampleService(urls);
    const detail = `Expected \`${name}\` to be a UUID, got ${given}.`;
    expect(problemOf(await service.since(key))).toEqual(aProblem(400, 'Bad Request', detail));
    expect(service.log).toEqual([]);
  });

  test.for([
    ['half a body', '{', 'Expected the body to be JSON.'],
    ['an array', '[]', 'Expected the body to be an object, got [].'],
    ['null', 'null', 'Expected the body to be an object, got null.'],
    [
      'a body that is nested deeply',
      DEEP,
      'Expected the body to be an object, got what is nested too deeply.',
    ],
    [
      'a field that is nested deeply',
      `{"description":${DEEP}}`,
      notText('description', 'what is nested too deeply'),
    ],
    [
      'an unknown field',
      '{"desription":""}',
      'Expected the body to have only executionStatus, description, waitpoints, got "desription".',
    ],
    ['a description that is no string', '{"description":1}', notText('description', '1')],
    ['a NUL character', '{"description":"\\u0000"}', notText('description', '"\\u0000"')],
    ['waitpoints that are no array', '{"waitpoints":{}}', notWaitpoints('{}')],
    ['too many waitpoints', MANY_WAITPOINTS, notWaitpoints(`[${'{},'.repeat(33)}…`)],
    [
      'a waitpoint that is no object',
      '{"waitpoints":[{},1]}',
      'Expected `waitpoints[1]` to be an object, got 1.',
    ],
    [
      'an output that is no string',
      '{"waitpoints":[{"output":{}}]}',
      notText('waitpoints[0].output', '{}'),
    ],
  ] as const)('answers 400 to %s', async ([, body, detail]) => {
    const service = await startExampleService(urls);
    const headers = { 'Content-Type': 'application/json' };
    const answer = await service.request('/runs', { method: 'POST', body, headers });
    expect(problemOf(answer)).toEqual(aProblem(400, 'Bad Request', detail));
    expect(service.log).toEqual([]);
  });

  test('answers 400 to a body that does not say that it is JSON', async () => {
    const service = await startExampleService(urls);
    expect(problemOf(await service.request('/runs', { method: 'POST', body: '{}' }))).toEqual(
      aProblem(
        400,
        'Bad Request',
        'Expected a body of type application/json, got "text/plain;charset=UTF-8".',
      ),
    );
  });

  test.for<[string, () => NonNullable<RequestInit['body']>]>([
    ['a length', () => 'x'.repeat(64 * 1024 + 1)],
    ['no length', () => new Blob(['x'.repeat(64 * 1024), 'x']).stream()],
  ])('answers 413 to a body that is too large and has %s', async ([, body]) => {
    const service = await startExampleService(urls);
    const init = { method: 'POST', body: body(), duplex: 'half' } as const;
    expect(problemOf(await service.request('/runs', init))).toEqual(
      aProblem(413, 'Payload Too Large', 'Expected a body of at most 65536 bytes.'),
    );
  });

  test('takes a body that is as large as may be, in pieces', async () => {
    const service = await startExampleService(urls);
    const empty = JSON.stringify({ description: '' });
    const description = 'x'.repeat(64 * 1024 - empty.length);
    const answer = await service.request('/runs', {
      method: 'POST',
      body: new Blob([JSON.stringify({ description })]).stream(),
      headers: { 'Content-Type': 'application/json; charset=utf-8' },
      duplex: 'half',
    });
    expect(answer.status).toBe(201);
  });

  test('says on /health that its databases answer', async () => {
    const service = await startExampleService(urls);
    const answer = await service.request('/health');
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ up: { primary: true, replica: true } });
  });

  test.for([
    ['with', {}],
    ['without', { create: createServiceWithoutFallback }],
  ] as const)(
    'refuses what pages of others ask for, on all its routes, %s the fallback',
    async ([, options]) => {
      const service = await startExampleService(urls, options);
      const ask = (request: string, headers: Record<string, string>) => {
        const [method = '', path = ''] = request.split(' ');
        return requestRaw(`${service.url}${path}`, { method, headers });
      };
      const { runId, snapshotId } = await service.createRun();
      const routes = [
        'POST /runs',
        `POST /runs/${runId}/snapshots`,
        `GET /runs/${runId}/snapshots/since/${snapshotId}`,
        `PATCH /runs/${runId}/snapshots/${snapshotId}`,
        `GET /runs/${runId}/snapshots`,
        'GET /health',
        'GET /metrics',
        'OPTIONS /runs',
        'HEAD /health',
        'GET /nowhere',
      ];
      for (const route of routes) {
        for (const headers of [
          { Host: 'evil.example' },
          { Origin: 'https://evil.example' },
          { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'no-cors' },
        ]) {
          const answer = await ask(route, headers);
          expect(answer.status).toBe(403);
          expect(answer.headers.get('X-Content-Type-Options')).toBe('nosniff');
        }
      }
      await database.catchUp();
      expect((await service.since({ runId, snapshotId })).body).toMatchObject({ snapshots: [] });
    },
  );

  test.for([
    'GET /health',
    'GET /metrics',
    'HEAD /health',
    'GET /nowhere',
    'POST /runs',
    'OPTIONS /',
  ])('keeps browsers from guessing the type of what %s answers', async (request) => {
    const service = await startExampleService(urls);
    const [method = '', path = ''] = request.split(' ');
    const { headers } = await service.request(path, { method });
    expect(headers.get('X-Content-Type-Options')).toBe('nosniff');
    expect(headers.get('Content-Security-Policy')).toContain("default-src 'none'");
  });

  test('cuts off a client that stalls in the middle of its body', async () => {
    const service = await startExampleService(urls);
    const { hostname, port } = new URL(service.url);
    const client = connect(Number(port), hostname);
    client.write('POST /runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{"');
    expect(await text(client)).toMatch(/^HTTP\/1.1 408 /);
  });

  test('answers 500 when a query is wrong, logs why once, and tells the client nothing of it', async () => {
    const service = await startExampleService({
      primary: withoutTables(urls.primary),
      replica: withoutTables(urls.replica),
    });
    const problem = aProblem(
      500,
      'Internal Server Error',
      'Something went wrong. It has been logged.',
    );
    expect(problemOf(await service.post('/runs'))).toEqual(problem);
    expect(problemOf(await service.since(NOWHERE))).toEqual(problem);
    const error = { message: 'relation "execution_snapshot" does not exist', code: '42P01' };
    expect(service.log).toMatchObject([
      { level: 'error', message: 'A request failed.', method: 'POST', path: '/runs', error },
      { level: 'error', message: 'A read failed.', failedDuring: 'primary', error },
    ]);
  });
});

function notText(name: string, given: string): string {
  return `Expected \`${name}\` to be a string without NUL characters, got ${given}.`;
}

function notWaitpoints(given: string): string {
  return `Expected \`waitpoints\` to be an array of at most 100, got ${given}.`;
}

/** The same server, but its tables are looked for in a schema that does not exist. */
function withoutTables(url: string): string {
  return `${url}?options=-c%20search_path%3Dnowhere`;
}
