import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import { createReplicaFallback } from 'kysely-replica-fallback';
import { gtidCatchUp, gtidPosition, replicaUnavailable } from 'kysely-replica-fallback/mysql';
import { recordReads } from 'kysely-replica-fallback/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { BRANDS, type Brand } from '../support/mysql/brands.ts';
import { openKysely, openMysql2 } from '../support/mysql/clients.ts';
import { startGtidCluster } from '../support/mysql/gtid-cluster.ts';
import {
  addOrder,
  createOrders,
  findOrder,
  type FoundOrder,
  type OrdersDatabase,
  setVersion,
} from '../support/mysql/orders.ts';
import { resumedReads } from '../support/resumed-reads.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

/**
 * A replica, the heir, is promoted, and the primary's address moves to it. The old primary, the stray, keeps running and keeps
 * writing what the heir never has. The follower follows the heir, and another replica the stray.
 */

type Client = Kysely<OrdersDatabase>;

/** What it writes is this, or higher. */
const STRAY = 1_000_000;
const WINDOW_MS = 500;
/** For so long, a session's later reads may rely on what the primary has said. */
const RELIED_ON_MS = 100;
const TIMEOUT_MS = 120_000;
const find = (db: Client) => findOrder(db, '1');
const open = (server: { connectionString: string }): Client =>
  openKysely(server.connectionString, { max: 2 });

/** Reads of all kinds, that have begun before a failover, and can go on after it. */
async function failOver(brand: Brand['brand']) {
  const cluster = await startGtidCluster(brand, { replicas: 3 });
  onTestFinished(() => cluster[Symbol.asyncDispose]());
  const [heir, follower, strays] = cluster.replicas;
  if (follower === undefined || strays === undefined) throw new Error('There are three replicas.');
  await createOrders(cluster);
  await addOrder(cluster, '1');
  await Promise.all(cluster.replicas.map((replica) => replica.catchUp()));
  const toPrimary = await startTcpProxy(cluster.primary.connectionString);
  onTestFinished(() => toPrimary.close());
  const before = await gtidPosition(openMysql2(cluster.primary.connectionString));

  const openRead = (primary: { connectionString: string }) => {
    const clients = { stray: open(strays), follower: open(follower) };
    const { onOutcome, outcomes } = recordReads();
    const read = createReplicaFallback<Client>({
      primary: open(primary),
      replica: clients.stray,
      catchUp: gtidCatchUp(),
      isUnavailable: replicaUnavailable,
      retryMs: WINDOW_MS,
      onOutcome,
    });
    return { read, clients, outcomes };
  };
  const cases = await Promise.all(
    ['the same pool', 'a new pool'].flatMap((pool) =>
      resumedReads<Client, FoundOrder | undefined>().map(async ({ what, begin }) => {
        const old = openRead(toPrimary);
        await old.read(find, { after: 'now' }); // so that it knows a position of the old primary
        const resume = await begin(old.read, find, before);
        const { read, clients, outcomes } = pool === 'the same pool' ? old : openRead(heir);
        return {
          what: `${what}, with ${pool} of the primary`,
          ask: resume(read),
          clients,
          outcomes,
        };
      }),
    ),
  );

  toPrimary.refuse();
  await heir.promote();
  toPrimary.redirect(heir.connectionString);
  await toPrimary.pass();
  await follower.follow(heir);
  await heir.ask(`update orders set version = 2`);
  let written = STRAY;
  const writeOnStray = async () => {
    await setVersion(cluster, '1', ++written);
    await strays.catchUp();
  };
  await writeOnStray();
  await sleep(RELIED_ON_MS);
  return { cases, writeOnStray };
}

describe.for(BRANDS)('on $brand', ({ brand, obstacle }) => {
  test(
    'no read shows anything of the stray',
    { retry: 0, timeout: TIMEOUT_MS },
    async ({ skip }) => {
      skip(obstacle !== undefined, obstacle);
      const { cases, writeOnStray } = await failOver(brand);
      const shown = new Set<string>();
      for (let round = 0; round < 3; round++) {
        await writeOnStray();
        for (const { what, ask, clients } of cases) {
          const { stray, follower } = clients;
          for (const replica of [stray, [stray, follower], [follower, stray]]) {
            const { version = 0 } = (await ask({ replica })) ?? {};
            if (version !== 1 && version !== 2) shown.add(what);
          }
        }
      }
      expect([...shown]).toEqual([]);
    },
  );

  test('the follower serves again', { timeout: TIMEOUT_MS }, async ({ skip }) => {
    skip(obstacle !== undefined, obstacle);
    const { cases } = await failOver(brand);
    const isServed = async ({ ask, clients, outcomes }: (typeof cases)[number]) => {
      await ask({ replica: clients.follower });
      return outcomes.at(-1)?.startsWith('replica') === true;
    };
    let left = cases;
    await expect
      .poll(async () => {
        const served = await Promise.all(left.map(isServed));
        left = left.filter((_, index) => !served[index]);
        return left.map(({ what }) => what);
      })
      .toEqual([]);
  });
});
