import type { Kysely } from 'kysely';
import { type CatchUp, ReplicaBehindError, withReplicaFallback } from 'kysely-replica-fallback';
import { gtidCatchUp, gtidPosition } from 'kysely-replica-fallback/mysql';
import type { Pool as MariadbPool } from 'mariadb';
import type { Pool, RowDataPacket } from 'mysql2/promise';
import { describe, expect, test } from 'vitest';
import { readReplayed } from '../../src/mysql/server-gtids.ts';
import type { SqlPool } from '../../src/mysql/sql-pool.ts';
import { openKysely, openMariadb, openMysql2 } from '../support/mysql/clients.ts';
import { onEachBrand } from '../support/mysql/on-each-brand.ts';
import {
  addOrder,
  createOrders,
  findOrder,
  type OrdersDatabase,
  setVersion,
} from '../support/mysql/orders.ts';

const PINS = ['transaction', 'connection'] as const;
const onPool: CatchUp<Pool> = gtidCatchUp();
const onKysely: CatchUp<Kysely<OrdersDatabase>> = gtidCatchUp({ pin: 'connection' });
const VERSION = 'select version from orders where id = ?';

onEachBrand((cluster) => {
  const addressOf = (server: 'primary' | 'replica') =>
    server === 'primary'
      ? cluster().primary.connectionString
      : cluster().replicas[0].connectionString;

  /** On pools of one connection: a second query waits for ever for one that was not given back. */
  const ALONE = { max: 1 };

  test.for(PINS)("a promise pool of mysql2 reads after 'now' in one %s", async (pin) => {
    const [primary, replica] = [openMysql2(addressOf('primary')), openMysql2(addressOf('replica'))];
    await addOrder(cluster(), `mysql2 ${pin}`, 7);

    const row = await withReplicaFallback(
      async (pool: Pool) => {
        const [rows] = await pool.query<RowDataPacket[]>(VERSION, [`mysql2 ${pin}`]);
        return rows[0];
      },
      { primary, replica, catchUp: gtidCatchUp({ pin }), after: 'now' },
    );

    expect(row).toEqual({ version: 7 });
  });

  test.for(PINS)("a pool of mariadb reads after 'now' in one %s", async (pin) => {
    const [primary, replica] = [
      openMariadb(addressOf('primary')),
      openMariadb(addressOf('replica')),
    ];
    await addOrder(cluster(), `mariadb ${pin}`, 7);

    const row = await withReplicaFallback(
      async (pool: MariadbPool) => {
        const rows: { version: number }[] = await pool.query(VERSION, [`mariadb ${pin}`]);
        return rows[0];
      },
      { primary, replica, catchUp: gtidCatchUp({ pin }), after: 'now' },
    );

    expect(row).toEqual({ version: 7 });
  });

  describe.for([
    { client: 'Kysely', open: () => kyselyRunner(openKysely(addressOf('replica'), ALONE)) },
    { client: 'mysql2', open: () => mysql2Runner(openMysql2(addressOf('replica'), ALONE)) },
    { client: 'mariadb', open: () => mariadbRunner(openMariadb(addressOf('replica'), ALONE)) },
  ])('with $client', ({ open }) => {
    test.for(PINS)('a %s goes back, however a query ends', async (pin) => {
      const { runAt, isInTransaction } = open();
      await cluster().replicas[0].catchUp();
      const there = await gtidPosition(openMysql2(addressOf('primary')));
      const beyond = there.replace(/\d+$/, '99999999');
      const error = new Error('The query failed.');

      for (let round = 0; round < 3; round++) {
        await expect(runAt(there, pin, async () => round)).resolves.toBe(round);
        await expect(runAt(beyond, pin, async () => 0)).rejects.toBeInstanceOf(ReplicaBehindError);
        await expect(runAt(there, pin, () => Promise.reject(error))).rejects.toBe(error);
        expect(await isInTransaction()).toBe(false);
      }
    });
  });

  test('a connection that is lost in a transaction is not kept', async () => {
    const [replica] = cluster().replicas;
    const pool = openMysql2(addressOf('replica'), ALONE);
    await replica.catchUp();
    const there = await gtidPosition(openMysql2(addressOf('primary')));

    const id = await onPool.runAt(pool, there, async (pinned: Pool) => {
      const [rows] = await pinned.query<RowDataPacket[]>('select connection_id() as id');
      await replica.ask(`kill ${String(rows[0]?.['id'])}`);
      return rows[0]?.['id'] as unknown;
    });

    const [rows] = await pool.query<RowDataPacket[]>('select connection_id() as id');
    expect(rows[0]?.['id']).not.toBe(id);
  });

  test('the connection of a query is its own until it is over', async () => {
    const pool = openMysql2(addressOf('replica'), ALONE);
    await cluster().replicas[0].catchUp();
    const there = await gtidPosition(openMysql2(addressOf('primary')));

    const ids = await onPool.runAt(pool, there, async (pinned: Pool) => {
      const connection = await pinned.getConnection();
      const [one] = await connection.query<RowDataPacket[]>('select connection_id() as id');
      connection.release();
      const [other] = await pinned.execute<RowDataPacket[]>('select connection_id() as id');
      pinned.releaseConnection(await pinned.getConnection());
      return [one[0]?.['id'], other[0]?.['id']] as unknown[];
    });

    expect(ids[0]).toBe(ids[1]);
  });

  test("the snapshot of a query's own transaction is taken after the check", async () => {
    const db: Kysely<OrdersDatabase> = openKysely(addressOf('replica'));
    await addOrder(cluster(), 'snapshot', 1);
    await setVersion(cluster(), 'snapshot', 2);
    const after = await gtidPosition(openMysql2(addressOf('primary')));
    await cluster().replicas[0].catchUp();

    const found = await onKysely.runAt(db, after, (pinned: Kysely<OrdersDatabase>) =>
      pinned
        .transaction()
        .setIsolationLevel('repeatable read')
        .execute((transaction) => findOrder(transaction, 'snapshot')),
    );

    expect(found).toMatchObject({ version: 2 });
  });

  test('a check takes no snapshot at repeatable read, where a query before it would', async () => {
    const pool = openMysql2(addressOf('replica'));
    await addOrder(cluster(), 'repeated', 1);
    await cluster().replicas[0].catchUp();
    /** What a transaction sees of a change that was applied after its first statement. */
    const seenAfter = async (first: (db: SqlPool) => Promise<unknown>, version: number) => {
      const connection = await pool.getConnection();
      await connection.query('start transaction');
      await first({
        query: (sql) => connection.query(sql),
        getConnection: () => pool.getConnection(),
      });
      await setVersion(cluster(), 'repeated', version);
      await cluster().replicas[0].catchUp();
      const [rows] = await connection.query<RowDataPacket[]>(VERSION, ['repeated']);
      await connection.query('rollback');
      connection.release();
      return rows[0]?.['version'] as unknown;
    };

    const afterCheck = await seenAfter((db) => readReplayed(db), 2);
    const afterQuery = await seenAfter(
      (db) => db.query("select version from orders where id = 'repeated'"),
      3,
    );

    expect(afterCheck).toBe(2);
    expect(afterQuery).toBe(2);
  });

  test('what is no such client is refused', async () => {
    await expect(gtidPosition({} as never)).rejects.toThrow(
      'Expected `primary` to be a Kysely client, a promise pool of mysql2 or a pool of mariadb',
    );
  });
}, createOrders);

type Pin = (typeof PINS)[number];

/** A savepoint outside of a transaction is gone at once. */
async function asks(run: (sql: string) => Promise<unknown>): Promise<boolean> {
  try {
    await run('savepoint probe');
    await run('release savepoint probe');
    return true;
  } catch (error) {
    if (Object(error).errno === 1305) return false;
    throw error;
  }
}

function kyselyRunner(db: Kysely<OrdersDatabase>) {
  return {
    runAt: <T>(position: string, pin: Pin, query: () => Promise<T>) =>
      gtidCatchUp({ pin }).runAt(db, position, query),
    isInTransaction: () =>
      db.connection().execute((pinned) =>
        asks((sql) =>
          pinned.executeQuery({
            query: { kind: 'RawNode', sqlFragments: [sql], parameters: [] },
            queryId: { queryId: sql },
            sql,
            parameters: [],
          } as never),
        ),
      ),
  };
}

function mysql2Runner(pool: Pool) {
  return {
    runAt: <T>(position: string, pin: Pin, query: () => Promise<T>) =>
      gtidCatchUp({ pin }).runAt(pool, position, query),
    isInTransaction: () => asks((sql) => pool.query(sql)),
  };
}

function mariadbRunner(pool: MariadbPool) {
  return {
    runAt: <T>(position: string, pin: Pin, query: () => Promise<T>) =>
      gtidCatchUp({ pin }).runAt(pool, position, query),
    isInTransaction: () => asks((sql) => pool.query(sql)),
  };
}
