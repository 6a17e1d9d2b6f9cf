import { setTimeout as sleep } from 'node:timers/promises';
import { type Kysely, sql } from 'kysely';
import { createReplicaFallback, type ReplicaFallback } from 'kysely-replica-fallback';
import { replicaUnavailable, walCatchUp, walPosition } from 'kysely-replica-fallback/postgres';
import { recordReads, startReplicationCluster } from 'kysely-replica-fallback/testing';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { cascade } from '../../support/cascade.ts';
import { type Connection, connect } from '../../support/connect.ts';
import {
  addOrder,
  createOrders,
  findOrder,
  type FoundOrder,
  type OrdersDatabase,
} from '../../support/orders.ts';
import { resumedReads } from '../../support/resumed-reads.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';

/**
 * A standby, the heir, is promoted, and the primary's address moves to it. The old primary, the stray, keeps running and keeps
 * writing what the heir never has. The follower streams from the heir, and another standby from the stray: both are replicas.
 */

type Client = Kysely<OrdersDatabase>;
type Found = FoundOrder | undefined;

/** What it writes is higher than this. */
const STRAY = 1_000_000;
const WINDOW_MS = 500;
/** For so long, a session's later reads may rely on what the primary has said. */
const RELIED_ON_MS = 100;
const find = (db: Client) => findOrder(db, '1').executeTakeFirst();

const cluster = await startReplicationCluster({ replicas: 3 });
await cascade(cluster);
const [heir, follower = heir, strays = heir] = cluster.replicas;
const oldPrimary = connect<OrdersDatabase>(cluster.primary.connectionString);
const heirDb = connect<OrdersDatabase>(heir.connectionString);
const followerDb = connect<OrdersDatabase>(follower.connectionString);
const proxies = await Promise.all([
  startTcpProxy(cluster.primary.connectionString),
  startTcpProxy(follower.connectionString),
]);
const [toPrimary, toBoth] = proxies;
toBoth.redirect(follower.connectionString, strays.connectionString);
const connections: Connection<OrdersDatabase>[] = [oldPrimary, heirDb, followerDb];
afterAll(async () => {
  await Promise.all(proxies.map((proxy) => proxy.close()));
  await Promise.all(connections.map((connection) => connection.end()));
  await cluster.stop();
});

await createOrders(oldPrimary.db);
await addOrder('1', 1)(oldPrimary.db);
await sql`create role ordinary login`.execute(oldPrimary.db);
await sql`grant select on orders to ordinary`.execute(oldPrimary.db);
await Promise.all(cluster.replicas.map((replica) => replica.waitForReplay()));
const before = await walPosition(oldPrimary.db);

function open(connectionString: string, role: string): Client {
  const address = new URL(connectionString);
  address.username = role;
  const connection = connect<OrdersDatabase>(address.href, { max: 2, idleTimeoutMillis: 1_000 });
  connections.push(connection);
  return connection.db;
}

/** A read with clients of its own, so that it knows nothing of what another one has asked. */
function openRead(role: string, primary: string) {
  const { onOutcome, outcomes } = recordReads();
  const clients = {
    stray: open(strays.connectionString, role),
    follower: open(follower.connectionString, role),
    both: open(toBoth.connectionString, role),
  };
  const read: ReplicaFallback<Client> = createReplicaFallback<Client>({
    primary: open(primary, role),
    replica: clients.stray,
    catchUp: walCatchUp(),
    isUnavailable: replicaUnavailable,
    retryMs: WINDOW_MS,
    onOutcome,
  });
  return { read, clients, outcomes };
}

const cases = await Promise.all(
  ['a superuser', 'an ordinary role'].flatMap((role) =>
    ['the same pool', 'a new pool'].flatMap((pool) =>
      resumedReads<Client, Found>().map(async ({ what, begin }) => {
        const user = role === 'a superuser' ? 'postgres' : 'ordinary';
        const old = openRead(user, toPrimary.connectionString);
        await old.read(find, { after: 'now' }); // so that it knows a position of the old primary
        const resume = await begin(old.read, find, before);
        const { read, clients, outcomes } =
          pool === 'the same pool' ? old : openRead(user, heir.connectionString);
        return { role, pool, what, ask: resume(read), clients, outcomes };
      }),
    ),
  ),
);
type Case = (typeof cases)[number];
const ofSuperuser = cases.filter(({ role }) => role === 'a superuser');
const ofOrdinaryRole = cases.filter(({ role }) => role !== 'a superuser');

let written = STRAY;

async function writeOnStray(): Promise<void> {
  await oldPrimary.db.updateTable('orders').set({ version: ++written }).execute();
  await strays.waitForReplay();
}

toPrimary.refuse();
await sql`select pg_promote()`.execute(heirDb.db);
toPrimary.redirect(heir.connectionString);
await toPrimary.pass();
await heirDb.db.updateTable('orders').set({ version: 2 }).execute();
// So that the stray is far ahead, by its own measure.
await sql`select pg_logical_emit_message(true, '', repeat('x', 1000000))`.execute(oldPrimary.db);
await writeOnStray();
await sleep(RELIED_ON_MS);

/** Reads from the follower, and says who answered. */
function askFollower({ ask, clients, outcomes }: Case) {
  return async () => {
    await ask({ replica: clients.follower });
    return outcomes.at(-1);
  };
}

// Before anything else, so that the reads after old positions are the first that the pool's new server hears of.
test.for(ofSuperuser)(
  '$what is served by the follower, with $pool of the primary',
  async (each) => {
    await expect.poll(askFollower(each)).toMatch(/^replica/);
  },
);

test.for(cases)(
  '$what shows nothing of the stray, with $pool of the primary, as $role',
  { retry: 0 },
  async ({ ask, clients }) => {
    const { stray, both } = clients;
    const versions: (number | undefined)[] = [];
    for (const replica of [stray, [stray, clients.follower], [clients.follower, stray], both]) {
      await writeOnStray();
      for (let each = 0; each < 3; each++) versions.push((await ask({ replica }))?.version);
    }
    expect(versions.filter((version) => version !== 1 && version !== 2)).toEqual([]);
  },
);

/** The timeline that a standby replays is hidden from an ordinary role until the standby's next restart point. */
describe('after a restart point', () => {
  beforeAll(async () => {
    await sql`checkpoint`.execute(heirDb.db);
    const timeline = sql`select from pg_control_checkpoint() where timeline_id = 2`;
    await vi.waitUntil(async () => {
      await sql`checkpoint`.execute(followerDb.db);
      return (await timeline.execute(followerDb.db)).rows.length > 0;
    }, 20_000);
  });

  test.for(ofOrdinaryRole)(
    '$what is served by the follower, with $pool of the primary, as $role',
    async (each) => {
      await expect.poll(askFollower(each)).toMatch(/^replica/);
    },
  );
});
