import { once } from 'node:events';
import { connect } from 'node:net';
import { sql } from 'kysely';
import { createSnapshotTables, type SnapshotTables } from 'kysely-replica-fallback/snapshots';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { DatabaseUrls } from '../../examples/snapshots-service/service/config.ts';
import {
  createService,
  createServiceWithoutFallback,
} from '../../examples/snapshots-service/service/service.ts';
import { v7 as uuidV7 } from 'uuid';
import { afterFirstAnswer } from '../support/after-first-answer.ts';
import { outcomeOf, startExampleService } from '../support/example/example-service.ts';
import {
  type ReplicatedDatabase,
  startReplicatedDatabase,
} from '../support/replicated-database.ts';
import { TOO_LATE } from '../support/too-late.ts';

const NOT_AT_ALL = { min: 0, max: 0 };
const AN_INSTANT = { min: 0, max: 1 };
/** Long enough for the primary to say where it is, however slow the machine. */
const UP_TO_TWO_SECONDS = { min: 0, max: 2_000 };
const A_MINUTE = { min: 60_000, max: 60_000 };

/** How a read that misses may wait: until the replica has caught up, or for a random time. */
const WAITS = [
  ['informed', { catchUp: true, retryMs: UP_TO_TWO_SECONDS, attempts: 2 }],
  ['blind', { catchUp: false, retryMs: AN_INSTANT, attempts: 3 }],
] as const;

describe("a poll of the example's service", () => {
  let database: ReplicatedDatabase<SnapshotTables>;
  let urls: DatabaseUrls;

  beforeAll(async () => {
    database = await startReplicatedDatabase(createSnapshotTables);
    const { primary, replicas } = database.cluster;
    urls = { primary: primary.connectionString, replica: replicas[0].connectionString };
  });
  afterEach(() => database.catchUp());
  afterAll(() => database?.end());

  const hasAskedReplica = async () => {
    const query = sql`
      select from pg_stat_activity
      where application_name = 'snapshots-service' and query ~ '^with |pg_last_wal_replay_lsn'`;
    return (await query.execute(database.replica.db)).rows.length > 0;
  };
  const missCounter = /^run_engine_snapshots_since_replica_miss_total\{(.*)\} (\d+)$/m;

  test('is served by the replica when it has the snapshot, and counts no miss', async () => {
    const service = await startExampleService(urls);
    const key = await service.createRun();
    await database.catchUp();
    const answer = await service.since(key);

    expect(answer.status).toBe(200);
    expect(answer.headers.get('Server-Timing')).toMatch(/^replica;dur=\d+\.\d$/);
    expect(service.log).toEqual([]);
    const metrics = await service.request('/metrics');
    expect(metrics.text).toMatch(/^replica_fallback_reads_total\{outcome="replica",.*\} 1$/m);
    expect(metrics.text).not.toMatch(missCounter);
  });

  test.for([
    ['an informed', { catchUp: true, retryMs: A_MINUTE }],
    ['a blind', { catchUp: false, retryMs: AN_INSTANT }],
  ] as const)('is served by the replica after %s wait, and counts a miss', async ([, settings]) => {
    const service = await startExampleService(urls, {
      create(databases, log) {
        const replica = afterFirstAnswer(databases.replica, () => database.catchUp());
        return createService({ ...databases, replica }, { enabled: true, ...settings }, log);
      },
    });
    await database.holdBack();
    const answer = await service.since(await service.createRun());

    expect(answer.status).toBe(200);
    expect(outcomeOf(answer)).toBe('replica_retry');
    expect(service.log).toEqual([]);
    const { text, headers } = await service.request('/metrics');
    expect(headers.get('Content-Type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(text).toMatch(/^# TYPE run_engine_snapshots_since_replica_miss_total counter$/m);
    const [, labels, count] = missCounter.exec(text) ?? [];
    expect(labels).toContain('outcome="replica_retry",operation="snapshots_since"');
    expect(count).toBe('1');
  });

  test.for(WAITS)(
    'is served by the primary when the lag outlasts the %s wait, counts a miss and warns',
    async ([, { attempts, ...settings }]) => {
      const service = await startExampleService(urls, { settings });
      await database.holdBack();
      const answer = await service.since(await service.createRun());

      expect(answer.status).toBe(200);
      expect(outcomeOf(answer)).toBe('primary');
      expect(service.log).toMatchObject([{ level: 'warn', outcome: 'primary', attempts }]);
      const [, labels] = missCounter.exec((await service.request('/metrics')).text) ?? [];
      expect(labels).toContain('outcome="primary"');
    },
  );

  test('waits for a standby that cannot catch up in time once, and after that not at all', async () => {
    const service = await startExampleService(urls, {
      settings: { retryMs: UP_TO_TWO_SECONDS },
    });
    await database.holdBack();
    const { runId } = await service.createRun();
    for (let polls = 0; polls < 5; polls += 1) {
      expect(outcomeOf(await service.since(await service.append(runId)))).toBe('primary');
    }
    const ends = [TOO_LATE, 'hopeless', 'hopeless', 'hopeless', 'hopeless'];
    expect(service.log).toMatchObject(ends.map((end) => ({ recovery: { catchUp: { end } } })));
  });

  test('goes from the replica straight to the primary when the longest wait is 0', async () => {
    const service = await startExampleService(urls, { settings: { retryMs: NOT_AT_ALL } });
    await database.holdBack();
    expect(outcomeOf(await service.since(await service.createRun()))).toBe('primary');
    expect(service.log).toMatchObject([{ level: 'warn', outcome: 'primary', attempts: 2 }]);
  });

  test('goes to the primary only when reads from the replica are switched off', async () => {
    const service = await startExampleService(urls, { settings: { enabled: false } });
    await database.holdBack();
    const answer = await service.since(await service.createRun());

    expect(answer.status).toBe(200);
    expect(outcomeOf(answer)).toBe('bypass');
    expect((await service.since({ runId: uuidV7(), snapshotId: uuidV7() })).status).toBe(404);
    expect((await service.request('/metrics')).text).not.toMatch(/replica_fallback|run_engine/);
    expect(service.log).toEqual([]);
  });

  test('is a 404 about a snapshot that exists without the fallback', async () => {
    const service = await startExampleService(urls, { create: createServiceWithoutFallback });
    const known = await service.createRun();
    await database.catchUp();
    await database.holdBack();
    const fresh = await service.append(known.runId);

    expect((await service.since(known)).body).toEqual({ snapshots: [], hasMore: false });
    expect((await service.since(fresh)).status).toBe(404);
  });

  test.for([
    ['the replica', { catchUp: true, retryMs: A_MINUTE }, 'replica_retry'],
    ['the primary', { catchUp: false, retryMs: AN_INSTANT }, 'primary'],
  ] as const)(
    'about a snapshot that is nowhere ends with the word of %s, and counts no miss',
    async ([, settings, failedDuring]) => {
      const service = await startExampleService(urls, { settings });
      expect((await service.since({ runId: uuidV7(), snapshotId: uuidV7() })).status).toBe(404);
      expect(service.log).toMatchObject([{ level: 'info', failedDuring }]);
      const { text } = await service.request('/metrics');
      expect(text).toMatch(/^replica_fallback_reads_total\{outcome="not_found",.*\} 1$/m);
      expect(text).not.toMatch(missCounter);
    },
  );

  test('and the append before it are no error when the client hangs up half-way', async () => {
    const service = await startExampleService(urls);
    const { hostname, port } = new URL(service.url);
    const client = connect(Number(port), hostname);
    client.write('POST /runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{"');
    await once(client, 'connect');
    client.end();
    await expect
      .poll(() => service.log)
      .toMatchObject([
        { level: 'info', message: 'A client hung up.', method: 'POST', path: '/runs' },
      ]);
  });

  test.for(WAITS)(
    'ends when the client hangs up during the %s wait, which is no error',
    async ([, { catchUp }]) => {
      const service = await startExampleService(urls, { settings: { catchUp, retryMs: A_MINUTE } });
      await database.holdBack();
      const { runId, snapshotId } = await service.createRun();
      const client = new AbortController();
      const answer = fetch(`${service.url}/runs/${runId}/snapshots/since/${snapshotId}`, {
        signal: client.signal,
      });
      answer.catch(() => {});
      await expect.poll(hasAskedReplica).toBe(true);
      client.abort();
      await expect(answer).rejects.toThrow('This operation was aborted');

      await expect.poll(() => service.log).toHaveLength(1);
      expect(service.log).toMatchObject([
        {
          level: 'info',
          message: 'A client hung up before its read ended.',
          error: { name: 'ClientGoneError' },
        },
      ]);
    },
  );
});
