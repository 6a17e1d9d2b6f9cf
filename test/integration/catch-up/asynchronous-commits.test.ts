import { type Kysely, sql } from 'kysely';
import { walCatchUp, walPosition, type WalPositionOptions } from 'kysely-replica-fallback/postgres';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { afterFirstAnswer } from '../../support/after-first-answer.ts';
import { connect } from '../../support/connect.ts';
import {
  addOrder,
  createOrders,
  findOrder,
  orderReadsOf,
  type OrdersDatabase,
} from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { seeRead } from '../../support/see-read.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);

/**
 * A commit with `synchronous_commit = off` is acknowledged before it is flushed, and so before it is sent to a standby: up to
 * 200 ms later (`wal_writer_delay`). The standby does not replay before its first answer, which on a slow machine takes longer.
 */

const READS = 5;
const [standby] = database.cluster.replicas;

describe.for<{ who: string; poolOptions?: string; options?: WalPositionOptions }>([
  {
    who: 'a pool',
    poolOptions: '-c synchronous_commit=off',
    options: { asynchronousCommits: true },
  },
  { who: 'the whole server' },
])('where $who commits asynchronously', ({ who, poolOptions, options }) => {
  beforeAll(async () => {
    if (poolOptions !== undefined) return;
    const { db } = database.primary;
    await sql`alter system set synchronous_commit = off`.execute(db);
    await sql`select pg_reload_conf()`.execute(db);
    const setting = sql<{ isOff: boolean }>`
      select current_setting('synchronous_commit') = 'off' as "isOff"`;
    await vi.waitUntil(async () => (await setting.execute(db)).rows[0]?.isOff, 30_000);
  });

  const catchingUp = () => ({
    primary: database.primary.db,
    replica: afterFirstAnswer(database.replica.db, () => standby.resumeReplay()),
    catchUp: walCatchUp(options),
    retryMs: 5_000,
  });

  function connectWriter() {
    const { primary } = database.cluster;
    const writer = connect<OrdersDatabase>(primary.connectionString, { options: poolOptions });
    onTestFinished(() => writer.end());
    return writer.db;
  }

  test('each row is found on the replica', async () => {
    const writer = connectWriter();
    for (let read = 1; read <= READS; read++) {
      const id = `${who} ${read}`;
      await standby.pauseReplay();
      await addOrder(id)(writer);

      const { result, report } = await seeRead(
        (db: Kysely<OrdersDatabase>) => findOrder(db, id).executeTakeFirst(),
        catchingUp(),
      );

      expect(result).toMatchObject({ status: 'fulfilled', value: { id, servedBy: 'replica' } });
      expect(report).toMatchObject({
        outcome: 'replica_retry',
        recovery: { catchUp: { waitedFor: 'existence', end: 'caught_up' } },
      });
    }
    expect(orderReadsOf(database.primary)).toEqual([]);
  });

  test.for([
    { after: 'a position', take: () => walPosition(database.primary.db, options) },
    { after: 'now', take: async () => 'now' },
  ])('each version is seen on the replica, after $after', async ({ after, take }) => {
    const writer = connectWriter();
    const id = `${who} ${after}`;
    await addOrder(id, 0)(writer);
    for (let version = 1; version <= READS; version++) {
      await standby.waitForReplay();
      await standby.pauseReplay();
      await writer.updateTable('orders').set({ version }).where('id', '=', id).execute();
      const position = await take();

      const { result } = await seeRead(
        (db: Kysely<OrdersDatabase>) => findOrder(db, id).executeTakeFirst(),
        { ...catchingUp(), after: position },
      );
      await standby.resumeReplay();

      expect(result).toMatchObject({
        status: 'fulfilled',
        value: { version, servedBy: 'replica' },
      });
    }
    expect(orderReadsOf(database.primary)).toEqual([]);
  });
});
