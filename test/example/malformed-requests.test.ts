import * as fc from 'fast-check';
import { sql } from 'kysely';
import { createSnapshotTables, type SnapshotTables } from 'kysely-replica-fallback/snapshots';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { SnapshotKey } from '../../examples/snapshots-service/service/snapshot-writer.ts';
import { abusiveRequest } from '../support/example/abuse/requests.ts';
import { outcomeOf, requestExample } from '../support/example/example-service.ts';
import { startLagLab } from '../support/example/lag-lab.ts';
import { sendBytes } from '../support/example/raw-socket.ts';
import {
  type ReplicatedDatabase,
  startReplicatedDatabase,
} from '../support/replicated-database.ts';
import { unhandledRejectionsOf } from '../support/unhandled-rejections.ts';

type Database = ReplicatedDatabase<SnapshotTables>;

const SEED = Number(process.env['KYSELY_REPLICA_FALLBACK_TEST_SEED'] ?? Date.now() % 2 ** 31);
const REQUESTS = 10_000;
const REQUESTS_WHILE_DOWN = 1_000;
const AT_ONCE = 40;

describe("the example's service", () => {
  let database: Database;

  beforeAll(async () => {
    database = await startReplicatedDatabase(createSnapshotTables, startReplicationCluster);
  });
  afterAll(() => database?.end());

  test(`answers none of ${REQUESTS} malformed requests with a 5xx, and keeps nothing of them (seed ${SEED})`, async () => {
    const socketsBefore = countSockets();
    const { url, lab, log, key, close } = await start(database);

    const { answers, unhandled } = await abuse(url, key, REQUESTS);

    const failures = answers.filter(({ status, text }) => status >= 500 && !isTooManyPages(text));
    expect(failures).toEqual([]);
    expect(unhandled).toEqual([]);
    expect(log).toEqual([]);
    // They got through to all that the service does, and did not all fail at the door.
    const statuses = [...new Set(answers.map(({ status }) => status))];
    const expected = [200, 201, 400, 403, 404, 413, 431];
    expect(statuses).toEqual(expect.arrayContaining(expected));

    await expect.poll(() => lab.visits).toBe(0);
    await expect.poll(() => countConnections(database, 'active')).toBe(0);
    await database.catchUp();
    const poll = await requestExample(pollOf(url, key));
    expect(poll.status).toBe(200);
    expect(outcomeOf(poll)).toBe('replica');

    await close(); // and the pools wait for the clients that they have lent out
    await expect.poll(() => countConnections(database)).toBe(0);
    await expect.poll(countSockets).toBeLessThanOrEqual(socketsBefore);
  }, 300_000);

  test(`answers ${REQUESTS_WHILE_DOWN} malformed requests while its databases are down with no 5xx but 503 (seed ${SEED})`, async () => {
    const own = await startReplicatedDatabase(createSnapshotTables, startReplicationCluster);
    onTestFinished(() => own.end());
    const { url, key, close } = await start(own);
    await own.cluster.stop();

    const { answers, unhandled } = await abuse(url, key, REQUESTS_WHILE_DOWN);

    expect(answers.filter(({ status }) => status >= 500 && status !== 503)).toEqual([]);
    expect(unhandled).toEqual([]);
    expect(answers.filter(({ status }) => status === 503).length).toBeGreaterThan(100);
    expect((await requestExample(pollOf(url, key))).status).toBe(503);
    expect((await requestExample(`${url}/metrics`)).status).toBe(200);
    await close();
  }, 300_000);
});

/** The service with its lab, and a snapshot that both databases have. */
async function start(database: Database) {
  const running = await startLagLab(database.cluster, { retryMaxMs: 2_000 });
  const created = await requestExample(`${running.url}/runs`, { method: 'POST' });
  await running.lab.change({ runners: 1, pollsPerSecond: 1 });
  await database.catchUp();
  return { ...running, key: created.body as SnapshotKey };
}

async function abuse(url: string, key: SnapshotKey, count: number) {
  const { host } = new URL(url);
  const requests = fc.sample(abusiveRequest({ host, key }), { seed: SEED, numRuns: count });
  const answers: { request: string; status: number; text: string }[] = [];
  const queue = requests.values();
  const work = async (): Promise<void> => {
    for (const { text: request, breaksOff } of queue) {
      const bytes = Buffer.from(request, 'latin1');
      const { statuses, text } = await sendBytes(url, bytes, { breakOff: breaksOff });
      answers.push({ request: request.slice(0, 1_000), status: statuses.at(-1) ?? 0, text });
    }
  };
  const workers = () => Promise.all(Array.from({ length: AT_ONCE }, work));
  return { unhandled: await unhandledRejectionsOf(workers), answers };
}

/** What whoever opens too many pages of the lab is told, while the databases are up. */
function isTooManyPages(text: string): boolean {
  return text.includes('pages of the lab open already');
}

function pollOf(url: string, { runId, snapshotId }: SnapshotKey): string {
  return `${url}/runs/${runId}/snapshots/since/${snapshotId}`;
}

/** The service's own, on both servers. */
async function countConnections({ primary, replica }: Database, state?: 'active'): Promise<number> {
  const query = sql`
    select from pg_stat_activity
    where application_name = 'snapshots-service'
      and (${state === undefined} or state <> 'idle')`;
  const results = await Promise.all([primary, replica].map(({ db }) => query.execute(db)));
  return results.flatMap(({ rows }) => rows).length;
}

function countSockets(): number {
  return process.getActiveResourcesInfo().filter((type) => type.startsWith('TCP')).length;
}
