import { type Kysely, sql } from 'kysely';
import { withReplicaFallback } from 'kysely-replica-fallback';
import {
  laggingReplica,
  type LaggingReplica,
  type ReplicationCluster,
} from 'kysely-replica-fallback/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connect } from '../../support/connect.ts';
import { openSharedCluster } from '../../support/shared-cluster.ts';
import { openSqlite } from '../../support/sqlite.ts';

interface Database {
  customer_order: { id: string; version: number };
  order_item: { id: string; order_id: string };
}

describe.for(['PostgreSQL', 'SQLite'])('a stand-in for the replica, on %s,', (dialect) => {
  let cluster: ReplicationCluster | undefined;
  let db: Kysely<Database>;
  let replica: LaggingReplica<Database>;

  beforeAll(async () => {
    cluster = dialect === 'SQLite' ? undefined : await openSharedCluster();
    db =
      cluster === undefined ? openSqlite() : connect<Database>(cluster.primary.connectionString).db;
    await db.schema
      .createTable('customer_order')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('version', 'integer', (column) => column.notNull())
      .execute();
    await db.schema
      .createTable('order_item')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('order_id', 'text', (column) => column.notNull())
      .execute();
  });
  beforeEach(async () => {
    await db.insertInto('customer_order').values({ id: 'o1', version: 1 }).execute();
    await db.insertInto('order_item').values({ id: 'i1', order_id: 'o1' }).execute();
    replica = laggingReplica(db, { tables: ['customer_order'] });
  });
  afterEach(async () => {
    await replica.release();
    await db.deleteFrom('customer_order').execute();
    await db.deleteFrom('order_item').execute();
  });
  afterAll(async () => {
    await db.destroy();
    await cluster?.stop();
  });

  test.for(['hidden', 'frozen'])(
    'counts the rows of an expression that has the name of the table, in a subquery that was built before it: %s',
    async (lag) => {
      if (lag === 'frozen') await replica.freeze();
      const ids = replica.db.selectFrom('customer_order').select('id');
      const { count } = await replica.db
        .with('customer_order', (qc) => qc.selectFrom('order_item').select('order_id as id'))
        .selectFrom('order_item')
        .where('order_id', 'in', ids)
        .select((eb) => eb.cast<number>(eb.fn.countAll(), 'integer').as('count'))
        .executeTakeFirstOrThrow();
      expect(count).toBe(1);
    },
  );

  const change = async () => {
    await db.updateTable('customer_order').set({ version: 2 }).execute();
    await db.insertInto('customer_order').values({ id: 'o2', version: 1 }).execute();
  };

  /** What each query gives of the orders, of none and of the first one at its first version. */
  const queries: [string, (client: Kysely<Database>) => Promise<unknown>, unknown, unknown][] = [
    [
      'a row',
      (client) => findOrder(client).executeTakeFirst(),
      undefined,
      { id: 'o1', version: 1 },
    ],
    [
      'an alias',
      (client) => client.selectFrom('customer_order as o').select('o.version').execute(),
      [],
      [{ version: 1 }],
    ],
    [
      'a count',
      (client) =>
        client
          .selectFrom('customer_order')
          .select((eb) => eb.cast<number>(eb.fn.countAll(), 'integer').as('n'))
          .executeTakeFirstOrThrow(),
      { n: 0 },
      { n: 1 },
    ],
    [
      'an inner join',
      (client) =>
        client
          .selectFrom('order_item')
          .innerJoin('customer_order', 'customer_order.id', 'order_item.order_id')
          .selectAll('customer_order')
          .execute(),
      [],
      [{ id: 'o1', version: 1 }],
    ],
    [
      'an outer join',
      (client) =>
        client
          .selectFrom('order_item')
          .leftJoin('customer_order as o', 'o.id', 'order_item.order_id')
          .select(['order_item.id', 'o.version'])
          .execute(),
      [{ id: 'i1', version: null }],
      [{ id: 'i1', version: 1 }],
    ],
    [
      'an expression that has the name of the table',
      (client) =>
        client
          .with('early', (qc) =>
            qc.selectFrom('customer_order').selectAll().where('version', '<', 2),
          )
          .selectFrom('early')
          .select('early.id')
          .execute(),
      [],
      [{ id: 'o1' }],
    ],
    [
      'a subquery',
      (client) =>
        client
          .selectFrom('order_item')
          .select('id')
          .where((eb) =>
            eb.exists(
              eb
                .selectFrom('customer_order')
                .select('customer_order.id')
                .whereRef('customer_order.id', '=', 'order_item.order_id'),
            ),
          )
          .execute(),
      [],
      [{ id: 'i1' }],
    ],
    [
      'a subquery that was built on the stand-in',
      (client) =>
        client
          .selectFrom('order_item')
          .select('id')
          .where('order_id', 'in', client.selectFrom('customer_order').select('id'))
          .execute(),
      [],
      [{ id: 'i1' }],
    ],
    [
      'raw SQL that names the table by sql.table',
      async (client) =>
        (await sql`select o.version from ${sql.table('customer_order')} as o`.execute(client)).rows,
      [],
      [{ version: 1 }],
    ],
    [
      'a transaction',
      (client) => client.transaction().execute((trx) => findOrder(trx).execute()),
      [],
      [{ id: 'o1', version: 1 }],
    ],
    [
      'a transaction that is controlled',
      async (client) => {
        const trx = await client.startTransaction().execute();
        const found = await findOrder(trx).execute();
        await trx.commit().execute();
        return found;
      },
      [],
      [{ id: 'o1', version: 1 }],
    ],
    [
      'a single connection',
      (client) => client.connection().execute((one) => findOrder(one).execute()),
      [],
      [{ id: 'o1', version: 1 }],
    ],
    [
      'a row through another stand-in over it',
      (client) => {
        const { db: second } = laggingReplica(client, { tables: ['order_item'] });
        return findOrder(second).execute();
      },
      [],
      [{ id: 'o1', version: 1 }],
    ],
  ];

  test.for(queries)('shows %s without a row', async ([, query, hidden]) => {
    expect(await query(replica.db)).toEqual(hidden);
    expect(replica.answers).toEqual(['lagging']);
  });

  test.for(queries)('shows %s as it was when it was frozen', async ([, query, , frozen]) => {
    await replica.freeze();
    await change();
    expect(await query(replica.db)).toEqual(frozen);
    expect(replica.answers).toEqual(['lagging']);
  });

  test.for(queries)('shows %s as it is once it has caught up', async ([, query]) => {
    await replica.freeze();
    await change();
    replica.catchUp();
    expect(await query(replica.db)).toEqual(await query(db));
    expect(replica.answers).toEqual(['caught_up']);
  });

  test('leaves the other tables as they are', async () => {
    const items = await replica.db.selectFrom('order_item').selectAll().execute();
    expect(items).toEqual([{ id: 'i1', order_id: 'o1' }]);
    expect(replica.wasRead()).toBe(false);
  });

  test('serves a read of the ladder when it is asked again', async () => {
    replica = laggingReplica(db, { tables: ['customer_order'], catchUpAfterAttempts: 1 });
    const order = await withReplicaFallback((client) => findOrder(client).executeTakeFirst(), {
      primary: db,
      replica: replica.db,
      retryMs: 1,
    });
    expect(order).toEqual({ id: 'o1', version: 1 });
    expect(replica.answers).toEqual(['lagging', 'caught_up']);
  });

  test('hides again, and freezes again, from when it is told to', async () => {
    await replica.freeze();
    replica.hide();
    expect(await findOrder(replica.db).execute()).toEqual([]);
    await change();
    await replica.freeze();
    expect(await findOrder(replica.db).execute()).toMatchObject([{ version: 2 }, { id: 'o2' }]);
  });

  test('leaves no table behind when it is disposed of', async () => {
    const before = await tableNames(db);
    {
      await using frozen = laggingReplica(db, { tables: ['customer_order', 'order_item'] });
      await frozen.freeze();
      await frozen.freeze();
      expect(await tableNames(db)).toHaveLength(before.length + 2);
    }
    expect(await tableNames(db)).toEqual(before);
  });

  test('leaves no table behind when it is released while it freezes', async () => {
    const before = await tableNames(db);
    await Promise.all([replica.freeze(), replica.freeze(), replica.release()]);
    expect(await tableNames(db)).toEqual(before);
    expect(await findOrder(replica.db).execute()).toHaveLength(1);
  });

  test('has caught up when it is released', async () => {
    await replica.freeze();
    await change();
    await replica.release();
    expect(await findOrder(replica.db).execute()).toEqual(await findOrder(db).execute());
  });

  test('leaves no table behind when one cannot be frozen, and lags as it did', async () => {
    const before = await tableNames(db);
    await db.schema.alterTable('order_item').renameTo('moved').execute();
    const broken = laggingReplica(db, { tables: ['customer_order', 'order_item'] });
    await expect(broken.freeze()).rejects.toThrow('order_item');
    await db.schema.alterTable('moved').renameTo('order_item').execute();
    expect(await tableNames(db)).toEqual(before);
    expect(await findOrder(broken.db).execute()).toEqual([]);
  });
});

function findOrder(client: Kysely<Database>) {
  return client.selectFrom('customer_order').selectAll().orderBy('customer_order.id');
}

async function tableNames(db: Kysely<Database>): Promise<string[]> {
  return (await db.introspection.getTables()).map(({ name }) => name).toSorted();
}
