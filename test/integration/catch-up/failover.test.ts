import { type CompiledQuery, type Kysely, sql } from 'kysely';
import { createReplicaFallback } from 'kysely-replica-fallback';
import type { Reach } from 'kysely-replica-fallback/catch-up';
import {
  connectionLost,
  replicaUnavailable,
  walCatchUp,
  walPosition,
} from 'kysely-replica-fallback/postgres';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { cascade } from '../../support/cascade.ts';
import { connect } from '../../support/connect.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { seeRead } from '../../support/see-read.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';
import { balanced } from '../../support/topologies.ts';
import { walSource } from '../../support/wal-source.ts';

/**
 * The primary's address moves to a standby, the heir, which is promoted. The follower streams from it. The stray stays with
 * the old primary, which is still there, and takes a write that nobody should see any more.
 */

const cluster = await startReplicationCluster({ replicas: 3 });
const [heirServer, followerServer, strayServer] = cluster.replicas;
if (followerServer === undefined || strayServer === undefined) throw new Error('No standby.');
await cascade(cluster);

const proxy = await startTcpProxy(cluster.primary.connectionString);
const primary = connect<OrdersDatabase>(proxy.connectionString);
const oldPrimary = connect<OrdersDatabase>(cluster.primary.connectionString);
const [heir, follower] = [heirServer, followerServer].map(({ connectionString }) =>
  connect<OrdersDatabase>(connectionString),
) as [typeof primary, typeof primary];
await createOrders(primary.db);
await addOrder('1', 1)(primary.db);
afterAll(async () => {
  await proxy.close();
  await Promise.all([primary, oldPrimary, heir, follower].map((connection) => connection.end()));
  await cluster.stop();
});

const WINDOW_MS = 5_000;
const wal = walSource();
const STRAY_VERSION = 1_000_000;
const options = {
  primary: primary.db,
  replica: [heir.db, follower.db],
  catchUp: walCatchUp(),
  isUnavailable: replicaUnavailable,
  retryMs: WINDOW_MS,
};
const find = (db: Kysely<OrdersDatabase>) => findOrder(db, '1').executeTakeFirst();

/** The newest version that was acknowledged, and a position after it. */
let newest = { version: 1, position: await walPosition(primary.db) };

async function update(): Promise<void> {
  const version = newest.version + 1;
  await primary.db.updateTable('orders').set({ version }).execute();
  newest = { version, position: await walPosition(primary.db) };
}

async function reachOfFollower(): Promise<Reach> {
  const replayed = await wal.replayed(follower.db);
  return replayed === undefined ? 'unknown' : wal.compare(replayed, newest.position);
}

/** Moves the primary. Nothing is lost, because nothing is written meanwhile. */
async function failOver(): Promise<void> {
  await Promise.all(cluster.replicas.map((replica) => replica.waitForReplay()));
  proxy.refuse();
  await sql`select pg_promote()`.execute(heir.db);
  proxy.redirect(heirServer.connectionString);
  await proxy.pass();
}

test('gives no older answer, and hangs for no longer than a window, while the primary moves', async () => {
  await followerServer.setApplyDelay(20);
  const read = createReplicaFallback(options);
  const end = new AbortController();
  const answers: { isOlder: boolean; servedBy: string }[] = [];
  const errors: unknown[] = [];
  let slowestMs = 0;
  const readOn = async (isNow: boolean): Promise<void> => {
    while (!end.signal.aborted) {
      const { version, position } = newest;
      const startedAt = performance.now();
      try {
        const order = await read(find, { after: isNow ? 'now' : position });
        if (order === undefined) throw new Error('There is no order.');
        answers.push({ isOlder: order.version < version, servedBy: order.servedBy });
      } catch (error) {
        errors.push(error);
      }
      slowestMs = Math.max(slowestMs, performance.now() - startedAt);
    }
  };
  const reading = Promise.all([false, false, true, true].map(readOn));

  for (let each = 0; each < 20; each++) await update();
  await failOver();
  for (let each = 0; each < 20; each++) await update();
  end.abort();
  await reading;

  expect(answers.filter(({ isOlder }) => isOlder)).toEqual([]);
  expect(answers.map(({ servedBy }) => servedBy)).toContain('replica');
  expect(slowestMs).toBeLessThan(2 * WINDOW_MS);
  // There was no primary for a moment.
  expect(errors.filter((error) => !connectionLost(error))).toEqual([]);
});

test('is served by the follower, when it follows, after positions of either timeline', async () => {
  const old = newest;
  await update();
  await expect.poll(reachOfFollower).toBe('reached');
  for (const after of [newest.position, old.position, 'now']) {
    const { result } = await seeRead(find, { ...options, after });
    expect(result).toMatchObject({ value: { version: newest.version, servedBy: 'replica' } });
  }
});

test('is served by the follower, after a position of what the old primary has written since', async () => {
  await oldPrimary.db.updateTable('orders').set({ version: STRAY_VERSION }).execute();
  const after = await walPosition(oldPrimary.db);
  await update();

  const { result, report } = await seeRead(find, { ...options, after });

  expect(result).toMatchObject({ value: { version: newest.version, servedBy: 'replica' } });
  expect(report.durationMs).toBeLessThan(WINDOW_MS);
});

test(
  'never takes the answer of the stray, behind one address with the follower',
  { retry: 0 },
  async () => {
    await sql`select pg_logical_emit_message(true, '', repeat('x', 1000000))`.execute(
      oldPrimary.db,
    );
    await strayServer.waitForReplay(); // so that it is far ahead, by the old primary's measure
    const replica = await balanced([followerServer, strayServer]);
    const read = createReplicaFallback({ ...options, replica });
    const end = new AbortController();
    const versions: (number | undefined)[] = [];
    const servedBy = new Set<string | undefined>();
    const readOn = async (): Promise<void> => {
      while (!end.signal.aborted) {
        const order = await read(find, { after: newest.position });
        versions.push(order?.version);
        servedBy.add(order?.servedBy);
      }
    };
    const reading = Promise.all(Array.from({ length: 8 }, readOn));

    for (let each = 0; each < 50; each++) await update();
    end.abort();
    await reading;

    expect(versions).not.toContain(STRAY_VERSION);
    expect(servedBy).toContain('replica');
  },
);

test('never takes the stray for one of the new timeline because the follower has answered for it', async () => {
  const stray = connect<OrdersDatabase>(strayServer.connectionString);
  onTestFinished(() => stray.end());
  await strayServer.restart();
  // As behind a pooler, where each statement is answered by the next server.
  const answering = [stray.db, follower.db];
  const inTurns = {
    executeQuery: (query: CompiledQuery) => (answering.shift() ?? follower.db).executeQuery(query),
  } as Kysely<OrdersDatabase>;

  await wal.replayed(inTurns);

  const { result } = await seeRead(find, {
    ...options,
    replica: stray.db,
    after: newest.position,
  });
  expect(result).toMatchObject({ value: { version: newest.version, servedBy: 'primary' } });
});
