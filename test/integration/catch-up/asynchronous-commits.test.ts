import { type Kysely, sql } from 'kysely';
import { walCatchUp, walPosition, type WalPositionOptions } from 'kysely-replica-fallback/postgres';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
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
  { who: 'everybody' },
])('where $who commits asynchronously', ({ who, poolOptions, options }) => {
  const server = database.cluster.primary.connectionString;
  const primary = connect<OrdersDatabase>(server);
  afterAll(() => primary.end());
  beforeAll(async () => {
    if (poolOptions !== undefined) return;
    const name = sql.id(new URL(server).pathname.slice(1));
    // For connections from now on.
    await sql`alter database ${name} set synchronous_commit = off`.execute(database.primary.db);
  });

  const catchingUp = () => ({
    primary: primary.db,
    replica: afterFirstAnswer(database.replica.db, () => standby.resumeReplay()),
    catchUp: walCatchUp(options),
    retryMs: 5_000,
  });

  function connectWriter() {
    const writer = connect<OrdersDatabase>(server, { options: poolOptions });
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
    expect(orderReadsOf(primary)).toEqual([]);
  });

  test.for([
    { after: 'a position', take: () => walPosition(primary.db, options) },
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
    expect(orderReadsOf(primary)).toEqual([]);
  });
});
