import type { Kysely } from 'kysely';
import { createReplicaFallback, NotPrimaryError } from 'kysely-replica-fallback';
import {
  connectionLost,
  createCausalSession,
  replicaUnavailable,
  walCatchUp,
  type WalCatchUpOptions,
  walPosition,
} from 'kysely-replica-fallback/postgres';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import { afterAll, expect, onTestFinished, test, vi } from 'vitest';
import { connect } from '../../support/connect.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';

/**
 * Under traffic, the primary's address leads to the primary, to a standby, to both of them in turn, and back. Pools, sessions
 * and what they know of positions go on. The standbys are late, so that nearly every read needs the primary.
 */

const cluster = await startReplicationCluster({ replicas: 2 });
const [demoted, standby] = cluster.replicas;
if (standby === undefined) throw new Error('There is one standby.');
const writer = connect<OrdersDatabase>(cluster.primary.connectionString);
await createOrders(writer.db);
await addOrder('1', 1)(writer.db);
await Promise.all(cluster.replicas.map((replica) => replica.waitForReplay()));
await demoted.setApplyDelay(400);
await standby.setApplyDelay(200);
afterAll(async () => {
  await writer.end();
  await cluster.stop();
});

/** The newest version that was acknowledged, with a position after it. */
let newest = { version: 1, position: await walPosition(writer.db) };

async function update(): Promise<void> {
  const version = newest.version + 1;
  await writer.db.updateTable('orders').set({ version }).execute();
  newest = { version, position: await walPosition(writer.db) };
}

const { primary } = cluster;
const STAGES = [[primary], [demoted], [primary, demoted], [demoted], [primary]];
const READS = 60;
const WAYS: readonly WalCatchUpOptions[] = [{}, { pin: 'connection' }];

const find = (db: Kysely<OrdersDatabase>) => findOrder(db, '1').executeTakeFirst();

test.for(WAYS)(
  'no read is older than it promises while the address of the primary moves, with walCatchUp(%o)',
  { retry: 0 },
  async (options) => {
    const proxy = await startTcpProxy(primary.connectionString);
    const [through, replica] = [proxy.connectionString, standby.connectionString].map((address) =>
      connect<OrdersDatabase>(address, { max: 4 }),
    ) as [typeof writer, typeof writer];
    onTestFinished(async () => {
      await proxy.close();
      await Promise.all([through.end(), replica.end()]);
    });
    const read = createReplicaFallback<Kysely<OrdersDatabase>>({
      primary: through.db,
      replica: replica.db,
      catchUp: walCatchUp(options),
      isUnavailable: replicaUnavailable,
      retryMs: 50,
    });
    const session = createCausalSession(read);
    let resumed = createCausalSession(read, newest);

    const ways = [
      () => read(find, { after: 'now' }),
      () => read(find, { after: newest.position }),
      () => read(find, { after: 'now', operation: 'find', coalesceKey: '1' }),
      () => {
        session.wrote();
        return session.read(find);
      },
      async () => {
        resumed.wrote();
        resumed = createCausalSession(read, { position: await resumed.position() });
        return resumed.read(find);
      },
    ];
    const older: object[] = [];
    let answers = 0;
    let refusals = 0;
    let asked = 0;
    const ask = async (way: (typeof ways)[number]): Promise<void> => {
      const { version } = newest;
      asked++;
      try {
        const found = await way();
        answers++;
        if (found === undefined || found.version < version) older.push({ found, version });
      } catch (error) {
        if (error instanceof NotPrimaryError) refusals++;
        else if (!connectionLost(error)) throw error;
      }
    };
    const end = new AbortController();
    const traffic = Promise.all(
      ways.map(async (way) => {
        while (!end.signal.aborted) await ask(way);
      }),
    );
    const writing = (async () => {
      while (!end.signal.aborted) await update();
    })();
    traffic.catch(() => end.abort());

    for (const servers of STAGES) {
      proxy.refuse();
      proxy.redirect(...servers.map(({ connectionString }) => connectionString));
      await proxy.pass();
      const enough = asked + READS;
      await vi.waitUntil(() => asked >= enough || end.signal.aborted, 60_000);
    }
    end.abort();
    await Promise.all([traffic, writing]);

    expect(older).toEqual([]);
    expect(answers).toBeGreaterThan(0);
    expect(refusals).toBeGreaterThan(0);
  },
);
