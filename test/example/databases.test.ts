import { sql } from 'kysely';
import { createSnapshotTables, type SnapshotTables } from 'kysely-replica-fallback/snapshots';
import type { Replica } from 'kysely-replica-fallback/testing';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { DatabaseUrls } from '../../examples/snapshots-service/service/config.ts';
import { connect } from '../support/connect.ts';
import { startExample } from '../support/example/example-process.ts';
import {
  aProblem,
  outcomeOf,
  problemOf,
  requestExample,
  startExampleService,
} from '../support/example/example-service.ts';
import {
  type ReplicatedDatabase,
  startReplicatedDatabase,
} from '../support/replicated-database.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

/** Nothing listens here. */
const NOWHERE = 'postgres://postgres@127.0.0.1:1/postgres';

const UNAVAILABLE = aProblem(
  503,
  'Service Unavailable',
  'A database does not answer. Try again soon.',
);

describe("the example's service", () => {
  let database: ReplicatedDatabase<SnapshotTables>;
  let urls: DatabaseUrls;

  beforeAll(async () => {
    database = await startReplicatedDatabase(createSnapshotTables, startReplicationCluster);
    const { primary, replicas } = database.cluster;
    urls = { primary: primary.connectionString, replica: replicas[0].connectionString };
  });
  afterAll(() => database?.end());

  /**
   * Holds up all reads of snapshots on the standby until the result is called, or the test ends.
   */
  const lockReplica = async () => {
    const locker = connect(urls.primary);
    const transaction = await locker.db.startTransaction().execute();
    await sql`lock table execution_snapshot in access exclusive mode`.execute(transaction);
    // Nothing flushes the lock's record, and so sends it to the standby, until somebody commits.
    await sql`select pg_logical_emit_message(true, 'flush', '')`.execute(locker.db);
    await database.cluster.replicas[0].waitForReplay();
    const unlock = async () => {
      if (!transaction.isRolledBack) await transaction.rollback().execute();
      await locker.end();
    };
    onTestFinished(unlock);
    return unlock;
  };
  const countHeldUp = async () => {
    const waiting = sql`
      select from pg_stat_activity
      where application_name = 'snapshots-service' and wait_event_type = 'Lock'`;
    return (await waiting.execute(database.replica.db)).rows.length;
  };

  test('serves reads from the primary while there is no replica, and warns of each', async () => {
    const service = await startExampleService({ ...urls, replica: NOWHERE });
    const answer = await service.since(await service.createRun());
    expect(answer.status).toBe(200);
    expect(outcomeOf(answer)).toBe('primary');
    expect(service.log).toMatchObject([{ level: 'warn', replicaError: { code: 'ECONNREFUSED' } }]);
    const health = await service.request('/health');
    expect(health.status).toBe(503);
    expect(health.headers.get('Retry-After')).toBe('1');
    expect(health.body).toEqual({ up: { primary: true, replica: false } });
  });

  test('answers 503 to the reads that are too many for the primary', async () => {
    const service = await startExampleService({ ...urls, replica: NOWHERE });
    const key = await service.createRun();
    const startedAt = performance.now();
    const answers = await Promise.all(Array.from({ length: 100 }, () => service.since(key)));
    const seconds = (performance.now() - startedAt) / 1_000;
    const rejected = answers.filter((answer) => outcomeOf(answer) === 'rejected');
    const spilled = answers.length - rejected.length;
    expect(spilled).toBeLessThanOrEqual(10 + answers.length / 5 + 10 * seconds);
    expect(rejected.length).toBeGreaterThan(0);
    for (const answer of rejected) expect(problemOf(answer)).toEqual(UNAVAILABLE);
    for (const answer of answers) expect([200, 503]).toContain(answer.status);
  });

  test('answers 503 to writes while there is no primary, and logs each once', async () => {
    const service = await startExampleService({ ...urls, primary: NOWHERE });
    expect(problemOf(await service.post('/runs'))).toEqual(UNAVAILABLE);
    expect(service.log).toMatchObject([
      { level: 'error', path: '/runs', error: { code: 'ECONNREFUSED' } },
    ]);
    expect((await service.request('/health')).body).toEqual({
      up: { primary: false, replica: true },
    });
  });

  test.for([
    ['the server cancels', 'statement_timeout=100', { code: '57014' }],
    ['nobody cancels', 'query_timeout=100', { message: 'Query read timeout' }],
  ] as const)(
    'answers 503 to a read that takes too long, and that %s',
    async ([, parameters, error]) => {
      const service = await startExampleService({
        ...urls,
        replica: `${urls.replica}?${parameters}`,
      });
      const key = await service.createRun();
      const unlock = await lockReplica();
      expect(problemOf(await service.since(key))).toEqual(UNAVAILABLE);
      expect(service.log).toMatchObject([{ failedDuring: 'replica', error }]);

      await unlock();
      await database.catchUp();
      // With such a time limit, a slow machine may take more than one try.
      await expect.poll(async () => (await service.since(key)).status).toBe(200);
    },
  );

  test.for(['primary', 'replica'] as const)(
    'has lost a connection that the %s does not answer on any more after one time-out',
    async (name) => {
      await using proxy = await startTcpProxy(urls[name]);
      const through = `${proxy.connectionString}?query_timeout=2000`;
      const service = await startExampleService({ ...urls, [name]: through });
      const key = await service.createRun();
      await database.catchUp();
      const ask = () => (name === 'replica' ? service.since(key) : service.post('/runs'));
      expect((await ask()).status).toBeLessThan(300);

      proxy.loseServer();
      expect(problemOf(await ask())).toEqual(UNAVAILABLE);
      expect((await ask()).status).toBeLessThan(300);
      expect(proxy.accepted).toBe(2);
    },
  );

  test('does not wait for its clean-up when it is interrupted twice', async () => {
    const example = startExample('snapshots-service/main.ts', {
      env: {
        DATABASE_URL: urls.primary,
        REPLICA_DATABASE_URL: `${urls.replica}?statement_timeout=0&query_timeout=60000`,
        PORT: '0',
      },
    });
    const [poll] = await example.waitFor(/http:\S+\/since\/\S+/);
    await lockReplica();
    const answer = requestExample(poll).catch(() => 'cut off');
    await expect.poll(countHeldUp).toBe(1);

    process.kill(example.pid, 'SIGINT');
    expect(await answer).toBe('cut off');
    expect(example.isAlive()).toBe(true);
    process.kill(example.pid, 'SIGINT');
    expect(await example.ended).toBe(130);
  });

  test.for<[string, (standby: Replica) => Promise<void>]>([
    ['a restart', (standby) => standby.stop()],
    ['a crash', (standby) => standby.kill()],
  ])('survives %s of the standby under traffic, and recovers', async ([, end]) => {
    const [standby] = database.cluster.replicas;
    const example = startExample('snapshots-service/main.ts', {
      env: { DATABASE_URL: urls.primary, REPLICA_DATABASE_URL: urls.replica, PORT: '0' },
    });
    const [poll] = await example.waitFor(/http:\S+\/since\/\S+/);
    await database.catchUp();
    expect(outcomeOf(await requestExample(poll))).toBe('replica');

    const unlock = await lockReplica();
    const answers = Array.from({ length: 5 }, () => requestExample(poll));
    await expect.poll(countHeldUp).toBe(5);
    await end(standby);
    await unlock(); // before the reads, which wait for the primary now, have waited too long
    for (const answer of await Promise.all(answers)) {
      expect(answer.status).toBe(200);
      expect(outcomeOf(answer)).toBe('primary');
    }

    await standby.start();
    await database.catchUp();
    const answer = await requestExample(poll);
    expect(answer.status).toBe(200);
    expect(outcomeOf(answer)).toBe('replica');

    process.kill(example.pid, 'SIGTERM');
    expect(await example.ended).toBe(143);
    expect(example.output.stdout).toContain('The lag of these servers is left as it is.');
    expect(example.output.stderr).toMatch(/^\nStopping\./); // and no error before
  });
});
