import { once } from 'node:events';
import { request } from 'node:http';
import { sql } from 'kysely';
import { createSnapshotTables, type SnapshotTables } from 'kysely-replica-fallback/snapshots';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLabRuns } from '../../examples/snapshots-service/lab/lab-runs.ts';
import { aProblem, problemOf } from '../support/example/example-service.ts';
import { ENDLESS, type LagLabOptions, startLagLab } from '../support/example/lag-lab.ts';
import { requestRaw } from '../support/example/raw-request.ts';
import {
  type ReplicatedDatabase,
  startReplicatedDatabase,
} from '../support/replicated-database.ts';

const JSON_TYPE = { 'Content-Type': 'application/json' };

const draft = (url: string) => requestRaw(`${url}/lab/draft`, { method: 'POST' });

describe('the lag lab', () => {
  let database: ReplicatedDatabase<SnapshotTables>;

  beforeAll(async () => {
    database = await startReplicatedDatabase(createSnapshotTables, startReplicationCluster);
  });
  afterAll(() => database?.end());

  const start = async (options?: LagLabOptions) => {
    const running = await startLagLab(database.cluster, options);
    const { port } = new URL(running.url);
    return {
      ...running,
      port,
      get: (path: string, headers = {}) => requestRaw(`${running.url}${path}`, { headers }),
      set: (settings: unknown, headers: Record<string, string> = JSON_TYPE) =>
        requestRaw(`${running.url}/lab/settings`, {
          method: 'PATCH',
          headers,
          body: JSON.stringify(settings),
        }),
      play: (name: unknown, headers: Record<string, string> = JSON_TYPE) =>
        requestRaw(`${running.url}/lab/scene`, {
          method: 'POST',
          headers,
          body: JSON.stringify({ name }),
        }),
    };
  };
  const countSnapshots = async () => {
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from execution_snapshot`.execute(database.primary.db);
    return rows[0]?.count;
  };

  test.for<[object, string]>([
    [{ lagMs: -1 }, '`lagMs` to be an integer from 0 to 5000, got -1'],
    [{ lagMs: 5001 }, '`lagMs` to be an integer from 0 to 5000, got 5001'],
    [{ lagMs: 1.5 }, '`lagMs` to be an integer from 0 to 5000, got 1.5'],
    [{ lagMs: '1; drop table' }, '`lagMs` to be an integer from 0 to 5000, got "1; drop table"'],
    [{ lagMs: null }, '`lagMs` to be an integer from 0 to 5000, got null'],
    [{ retryMinMs: 2001 }, '`retryMinMs` to be an integer from 0 to 2000, got 2001'],
    [{ retryMaxMs: [1] }, '`retryMaxMs` to be an integer from 0 to 2000, got [1]'],
    [{ retryMinMs: 201 }, '`retryMinMs` to be at most `retryMaxMs` (200), got 201'],
    [{ retryMaxMs: 49 }, '`retryMaxMs` to be at least `retryMinMs` (50), got 49'],
    [{ pollsPerSecond: 0.1 }, '`pollsPerSecond` to be a number from 0.2 to 10, got 0.1'],
    [{ pollsPerSecond: 10.1 }, '`pollsPerSecond` to be a number from 0.2 to 10, got 10.1'],
    [{ runners: 21 }, '`runners` to be an integer from 0 to 20, got 21'],
    [{ paused: 'yes' }, '`paused` to be true or false, got "yes"'],
    [[], 'the body to be an object, got []'],
  ])('refuses the settings %o, and changes nothing', async ([settings, expected]) => {
    const { set, lab } = await start();
    const before = lab.state().settings;
    expect(problemOf(await set(settings))).toEqual(
      aProblem(400, 'Bad Request', `Expected ${expected}.`),
    );
    expect(lab.state().settings).toEqual(before);
  });

  test('refuses settings and scenes that it does not know, and names those it does', async () => {
    const { set, play } = await start();
    expect((await set({ lag: 1 })).text).toContain('Expected the body to have only lagMs, ');
    expect(problemOf(await play('coffee'))).toEqual(
      aProblem(
        400,
        'Bad Request',
        'Expected `name` to be one of write-spike, long-lag, standby-restart, bogus-ids, or null, got "coffee".',
      ),
    );
  });

  test('takes settings to the very ends of their bounds', async () => {
    const { set, lab } = await start();
    for (const settings of [
      { lagMs: 5000, retryMinMs: 2000, retryMaxMs: 2000, pollsPerSecond: 10, runners: 20 },
      { lagMs: 0, retryMinMs: 0, retryMaxMs: 0, pollsPerSecond: 0.2, runners: 0 },
    ]) {
      expect((await set(settings)).status).toBe(200);
      expect(lab.state().settings).toMatchObject(settings);
    }
  });

  test.for<[string, string, (port: string) => Record<string, string>]>([
    ['of another origin', 'Origin', () => ({ Origin: 'https://evil.example' })],
    ['of no origin', 'Origin', () => ({ Origin: 'null' })],
    ['of another port', 'Origin', () => ({ Origin: 'http://127.0.0.1:1' })],
    ['of another site', 'Sec-Fetch-Site', () => ({ 'Sec-Fetch-Site': 'cross-site' })],
    ['of another port of this site', 'Sec-Fetch-Site', () => ({ 'Sec-Fetch-Site': 'same-site' })],
    [
      'whose name was made to lead here',
      'Host',
      (port) => ({ Host: `evil.example:${port}`, Origin: `http://evil.example:${port}` }),
    ],
  ])('refuses what a page asks for that is %s', async ([, header, headersOn]) => {
    const { set, play, get, url, port, lab } = await start();
    const headers = { ...JSON_TYPE, ...headersOn(port) };
    const asked = [
      () => set({ runners: 1 }, headers),
      () => play('bogus-ids', headers),
      () => requestRaw(`${url}/lab/draft`, { method: 'POST', headers }),
      () => get('/lab/events', headers),
      () => get('/', headers),
    ];
    for (const ask of asked) {
      const answer = await ask();
      expect(answer.status).toBe(403);
      expect(answer.headers.get('X-Content-Type-Options')).toBe('nosniff');
      expect(answer.text).toContain(`Expected \`${header}\` to be`);
    }
    expect(lab.state()).toMatchObject({ settings: { runners: 4 }, playing: null });
    expect(lab.visits).toBe(0);
  });

  test('serves its own page, under both names of this machine', async () => {
    const { set, get, port } = await start();
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`]) {
      const own = { Host: host, Origin: `http://${host}`, 'Sec-Fetch-Site': 'same-origin' };
      const answer = await set({ runners: 3 }, { ...JSON_TYPE, ...own });
      expect(answer.status).toBe(200);
      expect(answer.headers.get('X-Content-Type-Options')).toBe('nosniff');
      expect(
        (
          await get('/', {
            Host: host,
            'Sec-Fetch-Site': 'cross-site',
            'Sec-Fetch-Dest': 'document',
          })
        ).status,
      ).toBe(200);
    }
    expect((await get('/', { Host: 'evil.example' })).status).toBe(403);
  });

  test.for(['text/plain', 'application/x-www-form-urlencoded', ''])(
    'refuses a body of type "%s", which a form of any page can send',
    async (type) => {
      const { set, play } = await start();
      const problem = aProblem(
        400,
        'Bad Request',
        `Expected a body of type application/json, got "${type}".`,
      );
      const headers = type === '' ? {} : { 'Content-Type': type };
      expect(problemOf(await set({ runners: 1 }, headers))).toEqual(problem);
      expect(problemOf(await play('bogus-ids', headers))).toEqual(problem);
    },
  );

  test('lets the page load nothing from elsewhere, nobody frame it, and no browser keep it unasked', async () => {
    const { get } = await start();
    for (const path of ['/', '/lab/main.js', '/lab/page.css', '/lab/uplot.js']) {
      const { status, headers } = await get(path);
      expect(status).toBe(200);
      const policy = headers.get('Content-Security-Policy') ?? '';
      const rules = policy.split('; ');
      expect(rules).toEqual(
        expect.arrayContaining([
          "default-src 'none'",
          expect.stringMatching(/^script-src 'self' 'sha256-[\w+/]+=*'$/),
          "style-src 'self'",
          "connect-src 'self'",
          "base-uri 'none'",
          "form-action 'none'",
          "frame-ancestors 'none'",
        ]),
      );
      expect(policy).not.toMatch(/unsafe|\*|https?:/);
      expect(headers.get('X-Content-Type-Options')).toBe('nosniff');
      expect(headers.get('Cache-Control')).toBe('no-cache');
      expect(headers.get('Strict-Transport-Security')).toBe(null);
    }
    for (const path of [
      '/lab/lab.ts',
      '/lab/..%2flab.ts',
      '/lab/index.html',
      '/lab/tsconfig.json',
    ]) {
      expect((await get(path)).status).toBe(404);
    }
  });

  test('sends its page compressed and its charts minified, and nothing twice', async () => {
    const { get } = await start();
    for (const path of ['/', '/lab/main.js', '/lab/page.css', '/lab/uplot.js', '/lab/uplot.css']) {
      const { headers } = await get(path, { 'Accept-Encoding': 'gzip' });
      expect(headers.get('Content-Encoding')).toBe('gzip');
      expect(headers.get('Vary')).toBe('Accept-Encoding');

      const validator = headers.get('ETag') ?? '';
      const again = await get(path, { 'Accept-Encoding': 'gzip', 'If-None-Match': validator });
      expect(again).toMatchObject({ status: 304, text: '' });
      // A browser takes them for those of the file that it has.
      for (const name of ['Content-Security-Policy', 'Cache-Control']) {
        expect(again.headers.get(name)).toBe(headers.get(name));
      }
    }
    expect((await get('/lab/uplot.js')).text.length).toBeLessThan(60_000);
  });

  test('is closed, and says why, while the demonstration runs', async () => {
    const { set, play, lab } = await start({ open: false });
    const detail =
      'The demonstration in the terminal comes first. The lab opens when it has ended.';
    const problem = aProblem(409, 'Conflict', detail);
    expect(problemOf(await set({ runners: 1 }))).toEqual(problem);
    expect(problemOf(await play('bogus-ids'))).toEqual(problem);
    const visit = lab.visit();
    expect(lab.state().obstacles).toEqual({ standby: detail, traffic: detail });
    lab.open();
    expect(lab.state().obstacles).toEqual({ standby: null, traffic: null });
    await expect.poll(() => visit.news().polls.length).toBeGreaterThan(0);
  });

  test('leaves the lag of your own servers alone, and takes the rest', async () => {
    const { set, play, lab } = await start({ ...ENDLESS, ownServers: true });
    const detail = 'These servers are your own, so their lag is left alone.';
    const problem = aProblem(409, 'Conflict', detail);
    expect(problemOf(await set({ lagMs: 1 }))).toEqual(problem);
    expect(problemOf(await set({ paused: true }))).toEqual(problem);
    expect(problemOf(await play('standby-restart'))).toEqual(problem);
    expect((await set({ runners: 1 })).status).toBe(200);
    expect((await play('bogus-ids')).status).toBe(202);
    expect(lab.state().playing).toMatchObject({ name: 'bogus-ids' });
    expect((await play(null)).status).toBe(200);
    expect(lab.state()).toMatchObject({ playing: null, settings: { runners: 1 } });
  });

  test('takes no settings and no other scene while one is playing', async () => {
    const { set, play } = await start(ENDLESS);
    await play('bogus-ids');
    expect((await play('bogus-ids')).status).toBe(202);
    const detail = '“Bogus ids” is playing, and puts everything back when it ends.';
    expect(problemOf(await set({ runners: 1 }))).toEqual(aProblem(409, 'Conflict', detail));
    expect(problemOf(await play('long-lag'))).toEqual(aProblem(409, 'Conflict', detail));
  });

  test('works only while somebody listens, and for so many at most', async () => {
    const { url, lab, get } = await start();
    const listen = async () => {
      const headers = { 'Accept-Encoding': 'gzip' }; // which would hold back what is short
      const listener = request(`${url}/lab/events`, { headers }).end();
      const [response] = await once(listener, 'response');
      expect(response.headers['content-type']).toBe('text/event-stream');
      expect(response.headers['content-encoding']).toBe(undefined);
      await once(response, 'data');
      return () => response.destroy();
    };
    const hangUps = await Promise.all(Array.from({ length: 20 }, listen));
    expect(lab.visits).toBe(20);
    const detail = 'There are 20 pages of the lab open already.';
    expect(await get('/lab/events')).toMatchObject({ status: 503, body: { detail } });

    for (const hangUp of hangUps) hangUp();
    await expect.poll(() => lab.visits).toBe(0);
  });

  test('rests when the last visitor has left, and goes on with the next one', async () => {
    const { set, lab } = await start();
    await set({ runners: 20, pollsPerSecond: 10 });
    const { news, end } = lab.visit();
    await expect.poll(() => news().polls.length).toBeGreaterThan(0);
    end();
    await set({ lagMs: 1 });
    news();
    for (const lagMs of [2, 3, 4, 0]) await set({ lagMs });
    expect(news().polls).toEqual([]);
    lab.visit();
    await expect.poll(() => news().polls.length).toBeGreaterThan(10);
  });

  test('takes nobody who asks for the head only as a visitor', async () => {
    const { url, lab } = await start();
    for (let count = 0; count < 25; count += 1) {
      const { status } = await requestRaw(`${url}/lab/events`, { method: 'HEAD' });
      expect(status).toBe(200);
    }
    expect(lab.visits).toBe(0);
  });

  test('does nothing while nobody listens', async () => {
    const { set, lab } = await start();
    await set({ runners: 20, pollsPerSecond: 10 });
    for (const lagMs of [1, 2, 3, 4, 0]) await set({ lagMs });
    const { news } = lab.visit();
    expect(news()).toMatchObject({ polls: [], samples: [] });
    await expect.poll(() => news().polls.length).toBeGreaterThan(10);
  });

  test('gives all visitors one snapshot to edit, while it is open', async () => {
    const { url } = await start();
    const [one, other] = await Promise.all([draft(url), draft(url)]);
    expect(one).toMatchObject({ status: 200, body: { snapshotId: expect.any(String) } });
    expect(other.body).toEqual(one.body);

    const closed = await start({ open: false });
    expect((await draft(closed.url)).status).toBe(409);
  });

  test('leaves nothing in the database, and polls no more, when it ends', async () => {
    const { lab, url, close } = await start();
    const before = await countSnapshots();
    const { news } = lab.visit();
    await expect.poll(() => news().polls.length).toBeGreaterThan(0);
    expect((await draft(url)).status).toBe(200);
    expect(await countSnapshots()).not.toBe(before);
    await close();
    expect(await countSnapshots()).toBe(before);
    news();
    expect(news().polls).toEqual([]);
  });

  test('deletes old runs while it writes new ones', async () => {
    const before = (await countSnapshots()) ?? 0;
    const runs = createLabRuns(database.primary.db, 0);
    for (let count = 0; count < 260; count += 1) await runs.append(0);
    expect(((await countSnapshots()) ?? 0) - before).toBeLessThanOrEqual(110);
    await runs.deleteAll();
    expect(await countSnapshots()).toBe(before);
  });

  test('measures no lag, then the lag that is set, and none while the standby is down', async () => {
    const { lab } = await start();
    const [standby] = database.cluster.replicas;
    const { news } = lab.visit();
    const newestLag = () => news().samples.at(-1)?.lagMs;
    const poll = () => expect.poll(newestLag, { interval: 250 });
    await poll().toBeLessThan(50);
    await lab.change({ lagMs: 400 });
    await poll().toSatisfy((lagMs) => lagMs >= 400 && lagMs < 700);
    await lab.change({ lagMs: 0, paused: true });
    await poll().toBeGreaterThan(1000);
    await lab.change({ paused: false });
    await standby.stop();
    await poll().toBe(null);
    await standby.start();
    await poll().toBeLessThan(50);
  });
});
