import { CamelCasePlugin, type Kysely, sql } from 'kysely';
import { laggingReplica } from 'kysely-replica-fallback/testing';
import { describe, expect, test } from 'vitest';
import { connect } from '../../support/connect.ts';
import { openSharedCluster } from '../../support/shared-cluster.ts';
import { openSqlite } from '../../support/sqlite.ts';

interface Database {
  shopOrders: { id: string; paidBy: string };
}

async function migrate(db: Kysely<Database>): Promise<void> {
  await db.schema
    .createTable('shopOrders')
    .addColumn('id', 'text')
    .addColumn('paidBy', 'text')
    .execute();
  await db.insertInto('shopOrders').values({ id: 'o1', paidBy: 'card' }).execute();
}

describe('a stand-in for the replica', () => {
  test('follows a client whose plugin changes names, in a schema of its own', async () => {
    await using cluster = await openSharedCluster();
    const connection = connect<Database>(cluster.primary.connectionString);
    const pool = connection.db;
    const camelCase = pool.withPlugin(new CamelCasePlugin());
    await camelCase.schema.createSchema('lateShop').execute();
    const db = camelCase.withSchema('lateShop');
    await migrate(db);
    const replica = laggingReplica(db, { tables: ['shopOrders'] });
    const read = (client: Kysely<Database>) =>
      client
        .with('paid', (qc) => qc.selectFrom('shopOrders').selectAll('shopOrders'))
        .selectFrom('shopOrders')
        .innerJoin('paid', 'paid.id', 'shopOrders.id')
        .select(['shopOrders.paidBy', 'paid.paidBy as again'])
        .where('shopOrders.id', 'in', client.selectFrom('shopOrders').select('shopOrders.id'))
        .execute();
    const asItWas = [{ paidBy: 'card', again: 'card' }];

    expect(await read(replica.db)).toEqual([]);
    await replica.freeze();
    await db.updateTable('shopOrders').set({ paidBy: 'cash' }).execute();
    expect(await read(replica.db)).toEqual(asItWas);
    expect(await read(replica.db.withSchema('lateShop'))).toEqual(asItWas);
    expect(replica.answers).toEqual(['lagging', 'lagging']);
    replica.catchUp();
    expect(await read(replica.db)).toEqual([{ paidBy: 'cash', again: 'cash' }]);
    await replica.release();

    const { rows } = await sql`select from pg_tables where tablename like 'frozen%'`.execute(pool);
    expect(rows).toEqual([]);
    await connection.end();
  });

  test('freezes tables by the names that a plugin gives them', async () => {
    await using sqlite = openSqlite<Database>();
    const db = sqlite.withPlugin(new CamelCasePlugin({ upperCase: true }));
    await migrate(db);
    await using replica = laggingReplica(db, { tables: ['shopOrders'] });
    await replica.freeze();
    await db.deleteFrom('shopOrders').execute();
    const orders = await replica.db.selectFrom('shopOrders').selectAll().execute();
    expect(orders).toEqual([{ id: 'o1', paidBy: 'card' }]);
  });

  test('lags in streams, which count from their first rows', async () => {
    await using db = openSqlite<Database>();
    await migrate(db);
    await using replica = laggingReplica(db, { tables: ['shopOrders'] });
    const read = async () => {
      const rows: unknown[] = [];
      const stream = replica.db.selectFrom('shopOrders').select('id').stream();
      for await (const row of stream) rows.push(row);
      return rows;
    };

    expect(await read()).toEqual([]);
    expect(replica.wasRead()).toBe(true);
    expect(replica.answers).toEqual([]);
    await replica.freeze();
    await db
      .insertInto('shopOrders')
      .values([
        { id: 'o2', paidBy: 'cash' },
        { id: 'o3', paidBy: 'cash' },
      ])
      .execute();
    expect(await read()).toEqual([{ id: 'o1' }]);
    replica.catchUp();
    expect(await read()).toEqual([{ id: 'o1' }, { id: 'o2' }, { id: 'o3' }]);
    expect(replica.answers).toEqual(['lagging', 'caught_up']);
  });

  test('was read, but gave no answer, when the query failed', async () => {
    await using db = openSqlite<Database>();
    const replica = laggingReplica(db, { tables: ['shopOrders'], catchUpAfterAttempts: 1 });
    await expect(replica.db.selectFrom('shopOrders').selectAll().execute()).rejects.toThrow(
      'no such table',
    );
    expect(replica.wasRead()).toBe(true);
    expect(replica.answers).toEqual([]);
  });

  test('takes writes on the client that it was made from, which never lags', async () => {
    await using db = openSqlite<Database>();
    await migrate(db);
    const replica = laggingReplica(db, { tables: ['shopOrders'] });
    await replica.freeze();
    await db.deleteFrom('shopOrders').execute();
    expect(await db.selectFrom('shopOrders').selectAll().execute()).toEqual([]);
    expect(replica.wasRead()).toBe(false);
  });

  test('lags in a transaction that it was made from, and is gone with it', async () => {
    await using db = openSqlite<Database>();
    await migrate(db);
    const trx = await db.startTransaction().execute();
    const replica = laggingReplica<Database>(trx, { tables: ['shopOrders'] });
    await replica.freeze();
    await trx.deleteFrom('shopOrders').execute();
    expect(await replica.db.selectFrom('shopOrders').select('id').execute()).toEqual([
      { id: 'o1' },
    ]);
    await trx.rollback().execute();
    expect((await db.introspection.getTables()).map(({ name }) => name)).toEqual(['shopOrders']);
  });
});
