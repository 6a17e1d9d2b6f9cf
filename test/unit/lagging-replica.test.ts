import { type Kysely, sql } from 'kysely';
import { InvalidOptionError } from 'kysely-replica-fallback';
import { laggingReplica } from 'kysely-replica-fallback/testing';
import { describe, expect, test, vi } from 'vitest';
import { dummyKysely } from '../support/dummy-kysely.ts';
import { stopTheClock } from '../support/fake-clock.ts';

interface Database {
  orders: { id: string };
  items: { id: string };
}

const client = dummyKysely<Database>();
const read = (db: Kysely<Database>) => db.selectFrom('orders').selectAll().execute();

describe('a stand-in for the replica', () => {
  test('lags until it is told to catch up, and again when it is told to', async () => {
    const replica = laggingReplica(client, { tables: ['orders'] });
    await read(replica.db);
    replica.catchUp();
    await read(replica.db);
    expect(replica.answers).toEqual(['lagging', 'caught_up']);
    replica.hide();
    expect(replica.answers).toEqual([]);
    await read(replica.db);
    expect(replica.answers).toEqual(['lagging']);
  });

  test('catches up after a number of attempts, in each lag', async () => {
    const replica = laggingReplica(client, { tables: ['orders'], catchUpAfterAttempts: 2 });
    for (let lag = 0; lag < 2; lag++) {
      for (let attempt = 0; attempt < 4; attempt++) await read(replica.db);
      expect(replica.answers).toEqual(['lagging', 'lagging', 'caught_up', 'caught_up']);
      replica.hide();
    }
  });

  test('shows the same lag to reads that start together', async () => {
    const replica = laggingReplica(client, { tables: ['orders'], catchUpAfterAttempts: 1 });
    await Promise.all([read(replica.db), read(replica.db)]);
    await read(replica.db);
    expect(replica.answers).toEqual(['lagging', 'lagging', 'caught_up']);
  });

  test('catches up after a delay, without a timer', async () => {
    stopTheClock();
    const replica = laggingReplica(client, { tables: ['orders'], catchUpAfterMs: 100 });
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(99);
    await read(replica.db);
    vi.advanceTimersByTime(1);
    await read(replica.db);
    expect(replica.answers).toEqual(['lagging', 'caught_up']);
  });

  test('catches up after a delay on the clock of a test, which starts at 0 under it', async () => {
    stopTheClock();
    const replica = laggingReplica(client, { tables: ['orders'], catchUpAfterMs: 100 });
    vi.useFakeTimers(); // anew
    vi.advanceTimersByTime(99);
    await read(replica.db);
    vi.advanceTimersByTime(1);
    await read(replica.db);
    expect(replica.answers).toEqual(['lagging', 'caught_up']);
  });

  test('catches up after the attempts or the delay, whichever is first', async () => {
    stopTheClock();
    const options = { tables: ['orders'], catchUpAfterAttempts: 1, catchUpAfterMs: 100 } as const;
    const [asked, late] = [laggingReplica(client, options), laggingReplica(client, options)];
    await read(asked.db);
    await read(asked.db);
    vi.advanceTimersByTime(100);
    await read(late.db);
    expect([asked.answers, late.answers]).toEqual([['lagging', 'caught_up'], ['caught_up']]);
  });

  test('was not read when nothing, or only another table, was read on it', async () => {
    const replica = laggingReplica(client, { tables: ['orders'] });
    await read(client);
    await replica.db.selectFrom('items').selectAll().execute();
    expect(replica.wasRead()).toBe(false);
    expect(replica.answers).toEqual([]);
    await read(replica.db);
    expect(replica.wasRead()).toBe(true);
  });

  test('was read when it was asked for a table that lags, and then for another one', async () => {
    const replica = laggingReplica(client, { tables: ['orders'] });
    await replica.db
      .selectFrom('orders')
      .innerJoin('items', 'items.id', 'orders.id')
      .selectAll('orders')
      .execute();
    expect(replica.wasRead()).toBe(true);
  });

  test('was read, also when it had caught up, but not since the lag began again', async () => {
    const replica = laggingReplica(client, { tables: ['orders'] });
    replica.catchUp();
    await read(replica.db);
    expect(replica.wasRead()).toBe(true);
    replica.hide();
    expect(replica.wasRead()).toBe(false);
  });

  test('counts a query once that reads several of the tables, and also in subqueries of its own', async () => {
    const replica = laggingReplica(client, { tables: ['orders', 'items'] });
    const items = replica.db.selectFrom('items').select('id');
    await replica.db.selectFrom('orders').selectAll().where('id', 'in', items).execute();
    expect(replica.answers).toEqual(['lagging']);
  });

  test.for<[string, (db: Kysely<Database>) => Promise<unknown>]>([
    ['INSERT', (db) => db.insertInto('items').values({ id: 'i1' }).execute()],
    ['UPDATE', (db) => db.updateTable('items').set({ id: 'i1' }).execute()],
    ['DELETE', (db) => db.deleteFrom('items').execute()],
    [
      'MERGE',
      (db) =>
        db
          .mergeInto('items')
          .using('orders', 'orders.id', 'items.id')
          .whenMatched()
          .thenDelete()
          .execute(),
    ],
    [
      'DELETE',
      (db) =>
        db
          .with('gone', (qc) => qc.deleteFrom('items').returning('id'))
          .selectFrom('gone')
          .selectAll()
          .execute(),
    ],
    ['CREATE TABLE', (db) => db.schema.createTable('t').addColumn('id', 'text').execute()],
    ['ALTER TABLE', (db) => db.schema.alterTable('items').dropColumn('id').execute()],
    ['DROP INDEX', (db) => db.schema.dropIndex('i').execute()],
    ['REFRESH MATERIALIZED VIEW', (db) => db.schema.refreshMaterializedView('v').execute()],
    ['FOR UPDATE', (db) => db.selectFrom('items').selectAll().forUpdate().execute()],
    ['FOR NO KEY UPDATE', (db) => db.selectFrom('items').selectAll().forNoKeyUpdate().execute()],
    ['FOR SHARE', (db) => db.selectFrom('items').selectAll().forShare().execute()],
    ['INSERT', (db) => sql`insert into items values ('i1')`.execute(db)],
    ['TRUNCATE', (db) => sql`  truncate items`.execute(db)],
    ['GRANT', (db) => sql`grant select on items to public`.execute(db)],
    ['COMMENT', (db) => sql`comment on table items is ''`.execute(db)],
    ['VACUUM', (db) => sql`vacuum items`.execute(db)],
    ['REVOKE', (db) => sql`revoke select on items from public`.execute(db)],
    ['REINDEX', (db) => sql`reindex table items`.execute(db)],
    ['CLUSTER', (db) => sql`cluster items`.execute(db)],
    ['RENAME', (db) => sql`rename table items to others`.execute(db)],
    ['LISTEN', (db) => sql`listen items`.execute(db)],
    ['NOTIFY', (db) => sql`notify items`.execute(db)],
    ['DO', (db) => sql`do $$ begin delete from items; end $$`.execute(db)],
    ['REPLACE', (db) => sql`replace into items values ('i1')`.execute(db)],
    ['DELETE', (db) => sql`/* a * b */ -- all\n delete from items`.execute(db)],
    ['DELETE', (db) => db.transaction().execute((trx) => trx.deleteFrom('items').execute())],
  ])('refuses %s as a standby does, also when it has caught up', async ([command, write]) => {
    const replica = laggingReplica(client, { tables: ['orders'] });
    for (const happens of [() => {}, () => replica.catchUp()]) {
      happens();
      const error = await write(replica.db).catch((reason: unknown) => reason);
      expect(error).toMatchObject({
        code: '25006',
        message: `Expected reads only, got ${command}: a replica refuses it, and so does laggingReplica.`,
      });
    }
  });

  test.for([
    sql`select * from orders`,
    sql`select * from items join "orders" on true`,
    sql`select * FROM only orders where id = ${1}`,
    sql`select * from [orders]`,
    sql`select ${1} from orders`,
    sql`select 1 where exists (${sql`select from \`orders\``})`,
  ])('refuses raw SQL in which it would have to look for a table', async (query) => {
    const { db } = laggingReplica(client, { tables: ['items', 'orders'] });
    await expect(query.execute(db)).rejects.toThrow(/^Expected no raw SQL to read (orders|items) /);
  });

  test('refuses raw SQL that names a table with its schema, or without', async () => {
    const { db } = laggingReplica(client.withSchema('shop'), { tables: ['orders'] });
    const message =
      'Expected no raw SQL to read shop.orders by its bare name, where laggingReplica cannot hold it back: ' +
      "write ${sql.table('shop.orders')} and give it an alias.";
    for (const query of [sql`select from shop.orders`, sql`select from "shop"."orders"`]) {
      await expect(query.execute(db)).rejects.toThrow(message);
    }
    await expect(sql`select from orders`.execute(db)).rejects.toThrow(message);
  });

  test.for([
    sql`select * from orders_archive`,
    sql`select * from my_orders`,
    sql`select * from archive.orders`,
    sql`select extract(year from orders.created_at)`,
    sql`select valid_from orders from items`,
    sql`select from items where id is distinct from orders`,
    sql`select from items where ${sql`refresh > 1`}`,
    sql`select 'orders'`,
  ])('takes other raw SQL as it is', async (query) => {
    const replica = laggingReplica(client, { tables: ['orders'] });
    await query.execute(replica.db);
    expect(replica.wasRead()).toBe(false);
  });

  test.for<[string, unknown[]]>([
    ['Expected `client` to be a Kysely instance, got undefined.', [undefined, {}]],
    ['Expected `client` to be a Kysely instance, got an instance of Object.', [{}, {}]],
    ['Expected `options` to be an object, got undefined.', [client]],
    ['Expected `tables` to be an array of at least one table, got undefined.', [client, {}]],
    [
      'Expected `tables` to be an array of at least one table, got an array of length 0.',
      [client, { tables: [] }],
    ],
    [
      'Expected `tables[1]` to be the name of a table, without an alias, got "orders as o".',
      [client, { tables: ['orders', 'orders as o'] }],
    ],
    [
      'Expected `tables[0]` to be the name of a table, without an alias, got 1.',
      [client, { tables: [1] }],
    ],
    [
      'Expected `tables[0]` to be the name of a table, without an alias, got "".',
      [client, { tables: [''] }],
    ],
    ...[0, 1.5, Number.NaN, '1', null].map((given): [string, unknown[]] => [
      `Expected \`catchUpAfterAttempts\` to be an integer above 0, got ${JSON.stringify(given)?.replace(/^null$/, String(given))}.`,
      [client, { tables: ['orders'], catchUpAfterAttempts: given }],
    ]),
    ...[0, -1, Number.NaN].map((given): [string, unknown[]] => [
      `Expected \`catchUpAfterMs\` to be a number above 0, got ${given}.`,
      [client, { tables: ['orders'], catchUpAfterMs: given }],
    ]),
  ])('is not made of bad options: %s', ([message, given]) => {
    const make = () => Reflect.apply(laggingReplica, undefined, given);
    expect(make).toThrow(InvalidOptionError);
    expect(make).toThrow(message);
  });
});
