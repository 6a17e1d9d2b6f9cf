import { once } from 'node:events';
import { connect } from 'node:net';
import { sql } from 'kysely';
import { createSnapshotTables, type SnapshotTables } from 'kysely-replica-fallback/snapshots';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { DatabaseUrls } from '../../../examples/snapshots-service/service/config.ts';
import { createServiceWithoutFallback } from '../../../examples/snapshots-service/service/service.ts';
import { v7 as uuidV7 } from 'uuid';
import { outcomeOf, startExampleService } from '../../support/example-service.ts';
import {
  type ReplicatedDatabase,
  startReplicatedDatabase,
} from '../../support/replicated-database.ts';

const NOT_AT_ALL = { min: 0, max: 0 };
const AN_INSTANT = { min: 0, max: 1 };
const A_MINUTE = { min: 60_000, max: 60_000 };

describe("a poll of the example's service", () => {
  let database: ReplicatedDatabase<SnapshotTables>;
  let urls: DatabaseUrls;

  beforeAll(async () => {
    database = await startReplicatedDatabase(createSnapshotTables);
    const { primary, replicas } = database.cluster;
    urls = { primary: primary.connectionString, replica: replicas[0].connectionString };
  });
  afterEach(async () => {
    await database.cluster.replicas[0].setApplyDelay(0);
    await database.catchUp();
  });
  afterAll(() => database?.end());

  const hasAskedReplica = async () => {
    const query = sql`
      select from pg_stat_activity
      where application_name = 'snapshots-service' and query like 'with %'`;
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

  test('is served by the replica after a wait when that lags a little, and counts a miss', async () => {
    const service = await startExampleService(urls, {
      settings: { retryMs: { min: 1_000, max: 1_000 } },
    });
    await database.cluster.replicas[0].setApplyDelay(500);
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

  test('is served by the primary when the lag outlasts the wait, counts a miss and warns', async () => {
    const service = await startExampleService(urls, { settings: { retryMs: AN_INSTANT } });
    await database.holdBack();
    const answer = await service.since(await service.createRun());

    expect(answer.status).toBe(200);
    expect(outcomeOf(answer)).toBe('primary');
    expect(service.log).toMatchObject([{ level: 'warn', outcome: 'primary', attempts: 3 }]);
    const [, labels] = missCounter.exec((await service.request('/metrics')).text) ?? [];
    expect(labels).toContain('outcome="primary"');
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

  test('counts no miss for a snapshot that is nowhere', async () => {
    const service = await startExampleService(urls, { settings: { retryMs: AN_INSTANT } });
    expect((await service.since({ runId: uuidV7(), snapshotId: uuidV7() })).status).toBe(404);
    const { text } = await service.request('/metrics');
    expect(text).toMatch(/^replica_fallback_reads_total\{outcome="not_found",.*\} 1$/m);
    expect(text).not.toMatch(missCounter);
  });

  test('and the append before it are no error when the client hangs up half-way', async () => {
    const service = await startExampleService(urls);
    const { hostname, port } = new URL(service.url);
    const client = connect(Number(port), hostname);
    client.write('POST /runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{"');
    await once(client, 'connect');
    client.end();
    await expect
      .poll(() => service.log, { timeout: 20_000 })
      .toMatchObject([
        { level: 'info', message: 'A client hung up.', method: 'POST', path: '/runs' },
      ]);
  });

  test('ends when the client hangs up during the wait, which is no error', async () => {
    const service = await startExampleService(urls, { settings: { retryMs: A_MINUTE } });
    await database.holdBack();
    const { runId, snapshotId } = await service.createRun();
    const client = new AbortController();
    const answer = fetch(`${service.url}/runs/${runId}/snapshots/since/${snapshotId}`, {
      signal: client.signal,
    });
    answer.catch(() => {});
    await expect.poll(hasAskedReplica, { timeout: 20_000 }).toBe(true);
    client.abort();
    await expect(answer).rejects.toThrow('This operation was aborted');

    await expect.poll(() => service.log, { timeout: 20_000 }).toHaveLength(1);
    expect(service.log).toMatchObject([
      {
        level: 'info',
        message: 'A client hung up before its read ended.',
        error: { name: 'ClientGoneError' },
      },
    ]);
  });
});
