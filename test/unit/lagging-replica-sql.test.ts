import { CamelCasePlugin, type Kysely, type SelectQueryBuilder, sql } from 'kysely';
import { laggingReplica } from 'kysely-replica-fallback/testing';
import { describe, expect, test } from 'vitest';
import { dummyKysely } from '../support/dummy-kysely.ts';

interface Database {
  orders: { id: string; version: number };
  items: { orderId: string };
  'shop.orders': { id: string };
}

const hidden = '(select * from "orders" as "orders" where 1 = 0)';
const hiddenInShop = '(select * from "shop"."orders" as "orders" where 1 = 0)';

describe('a table that lags', () => {
  const { db } = laggingReplica(dummyKysely<Database>(), { tables: ['orders'] });

  test.for<[string, { compile(): { sql: string } }, string]>([
    [
      'in a from clause',
      db.selectFrom('orders').select('orders.id'),
      `select "orders"."id" from ${hidden} as "orders"`,
    ],
    [
      'under an alias',
      db.selectFrom('orders as o').selectAll('o'),
      `select "o".* from ${hidden} as "o"`,
    ],
    [
      'in a join',
      db.selectFrom('items').innerJoin('orders', 'orders.id', 'items.orderId').selectAll('orders'),
      `select "orders".* from "items" inner join ${hidden} as "orders" on "orders"."id" = "items"."orderId"`,
    ],
    [
      'in a join with an alias',
      db.selectFrom('items').leftJoin('orders as o', 'o.id', 'items.orderId').select('o.id'),
      `select "o"."id" from "items" left join ${hidden} as "o" on "o"."id" = "items"."orderId"`,
    ],
    [
      'in a set operation',
      db
        .selectFrom('items')
        .select('orderId as id')
        .union((eb) => eb.selectFrom('orders').select('id')),
      `select "orderId" as "id" from "items" union select "id" from ${hidden} as "orders"`,
    ],
    [
      'in an expression that has its name',
      db
        .with('orders', (qc) => qc.selectFrom('orders').selectAll())
        .selectFrom('orders')
        .selectAll(),
      `with "orders" as (select * from ${hidden} as "orders") select * from "orders"`,
    ],
    [
      'named by sql.table',
      db.selectFrom(sql<Database['orders']>`${sql.table('orders')}`.as('o')).selectAll(),
      `select * from ${hidden} as "o"`,
    ],
  ])('is empty %s', ([, query, expected]) => {
    expect(query.compile().sql).toBe(expected);
  });

  test('is empty in a subquery that was built on the stand-in, and has an alias wherever it stands', () => {
    const query = db
      .selectFrom('items')
      .where('orderId', 'in', db.selectFrom('orders').select('id'));
    const twice = hidden.replace('"orders" as', `${hidden} as`);
    expect(query.selectAll().compile().sql).toBe(
      `select * from "items" where "orderId" in (select "id" from ${twice} as "orders")`,
    );
  });

  test('is empty in raw SQL that names it by sql.table', () => {
    const query = sql`select * from ${sql.table('orders')} as o`;
    expect(query.compile(db).sql).toBe(`select * from ${hidden} as o`);
  });

  test('has its name where raw SQL refers to it, and does not read it', () => {
    const query = db
      .selectFrom('orders')
      .select((eb) => sql`to_json(${eb.table('orders')})`.as('json'))
      .where((eb) => sql<boolean>`exists (select from ${eb.table('orders')} as o)`);
    expect(query.compile().sql).toBe(
      `select to_json("orders") as "json" from ${hidden} as "orders" where exists (select from ${hidden} as o)`,
    );
  });

  // In a time that doubles with each level, this would never end.
  test('is found in joins of joins, however deep', () => {
    const plain = dummyKysely<Database>();
    let query: SelectQueryBuilder<Database, 'orders' | 'items', { orderId: string }> = plain
      .selectFrom('orders')
      .select('orders.id as orderId') as never;
    for (let depth = 0; depth < 60; depth++) {
      const inner = query.as('inner');
      query = plain
        .selectFrom('items')
        .innerJoin(inner, 'inner.orderId', 'items.orderId')
        .select('items.orderId') as never;
    }
    expect(db.selectFrom(query.as('q')).selectAll().compile().sql).toContain(hidden);
  });

  test('is not what a common table expression of the same name stands for', () => {
    const query = db
      .with('orders', (qc) => qc.selectFrom('items').selectAll())
      .with('late', (qc) => qc.selectFrom('orders').selectAll())
      .selectFrom('orders')
      .innerJoin('late', 'late.orderId', 'orders.orderId')
      .select('orders.orderId');
    expect(query.compile().sql).not.toContain('1 = 0');
  });

  describe.for(['hidden', 'frozen', 'frozen, and then hidden'])(
    'is not what an expression of the same name stands for where a subquery was built before it, %s,',
    (lag) => {
      const withOrders = async () => {
        const replica = laggingReplica(dummyKysely<Database>(), { tables: ['orders'] });
        if (lag !== 'hidden') await replica.freeze();
        if (lag === 'frozen, and then hidden') replica.hide();
        const query = replica.db
          .with('orders', (qc) => qc.selectFrom('items').select('orderId as id'))
          .selectFrom('items')
          .selectAll();
        return { replica: replica.db, query };
      };
      const beginning =
        'with "orders" as (select "orderId" as "id" from "items") select * from "items" ';

      test('in a where clause, and in a subquery of another one', async () => {
        const { replica, query } = await withOrders();
        const ids = replica.selectFrom('orders').select('id');
        const both = query
          .where('orderId', 'in', ids)
          .where('orderId', 'in', replica.selectFrom(ids.as('o')).select('id'));
        expect(both.compile().sql).toBe(
          `${beginning}where "orderId" in (select "id" from "orders" as "orders") ` +
            'and "orderId" in (select "id" from (select "id" from "orders" as "orders") as "o")',
        );
      });

      test('in joins, and under an alias', async () => {
        const { replica, query } = await withOrders();
        const joined = replica
          .selectFrom('items as i')
          .innerJoin('orders as o', 'o.id', 'i.orderId')
          .select('o.id')
          .as('joined');
        expect(query.innerJoin(joined, 'joined.id', 'items.orderId').compile().sql).toBe(
          `${beginning}inner join (select "o"."id" from "items" as "i" inner join "orders" as "o" ` +
            'on "o"."id" = "i"."orderId") as "joined" on "joined"."id" = "items"."orderId"',
        );
      });

      test('in a set operation, and in raw SQL', async () => {
        const { replica, query } = await withOrders();
        const ids = replica.selectFrom('orders').select('id as orderId');
        const whole = query.union(ids).where(sql<boolean>`exists ${ids}`);
        expect(whole.compile().sql).toBe(
          `${beginning}where exists (select "id" as "orderId" from "orders" as "orders") ` +
            'union select "id" as "orderId" from "orders" as "orders"',
        );
      });

      test('but still is that table within an expression that comes before it', async () => {
        const { replica } = await withOrders();
        const query = replica
          .with('early', () => replica.selectFrom('orders').select('id'))
          .with('orders', () => replica.selectFrom('orders').select('id'))
          .selectFrom('orders')
          .selectAll();
        expect(query.compile().sql).not.toContain('from "orders" as "orders")');
      });
    },
  );

  test('is what its name and schema stand for, whatever a common table expression is called', () => {
    const shop = laggingReplica(dummyKysely<Database>(), { tables: ['shop.orders'] });
    const query = shop.db
      .with('orders', (qc) => qc.selectFrom('items').selectAll())
      .selectFrom('shop.orders as o')
      .select('o.id');
    expect(query.compile().sql).toContain(`from ${hiddenInShop} as "o"`);
  });

  test('is not what a recursive expression of the same name reads of itself', () => {
    const query = db
      .withRecursive('orders', (qc) =>
        qc
          .selectFrom('items')
          .select('orderId')
          .union(qc.selectFrom('orders').select('orders.id as orderId')),
      )
      .selectFrom('orders')
      .selectAll();
    expect(query.compile().sql).not.toContain('1 = 0');
  });

  test('is empty again after the query whose expression had its name', () => {
    const query = db
      .selectFrom('items')
      .where('orderId', 'in', (eb) =>
        eb
          .selectFrom(
            db
              .with('orders', (qc) => qc.selectFrom('items').selectAll())
              .selectFrom('orders')
              .select('orderId')
              .as('i'),
          )
          .select('orderId'),
      )
      .where('orderId', 'in', (eb) => eb.selectFrom('orders').select('id'));
    expect(query.select('orderId').compile().sql).toContain(`in (select "id" from ${hidden}`);
  });

  test('is known by the names that the client gives its tables', () => {
    const camelCase = dummyKysely<{ lateOrders: { isPaid: boolean } }>().withPlugin(
      new CamelCasePlugin(),
    );
    const replica = laggingReplica(camelCase, { tables: ['lateOrders'] });
    expect(replica.db.selectFrom('lateOrders').select('lateOrders.isPaid').compile().sql).toBe(
      'select "late_orders"."is_paid" from (select * from "late_orders" as "late_orders" where 1 = 0) as "late_orders"',
    );
  });

  test.for<[string, Kysely<Database>]>([
    [
      'the schema of the client',
      laggingReplica(dummyKysely<Database>().withSchema('shop'), { tables: ['orders'] }).db,
    ],
    [
      'the schema in its name',
      laggingReplica(dummyKysely<Database>(), { tables: ['shop.orders'] }).db.withSchema('shop'),
    ],
  ])('is looked for in %s', ([, shop]) => {
    const query = shop.selectFrom('orders').select('orders.id');
    expect(query.compile().sql).toBe(`select "orders"."id" from ${hiddenInShop} as "orders"`);
  });

  test('is another one in another schema', () => {
    const query = db.selectFrom('shop.orders').selectAll();
    expect(query.compile().sql).toBe('select * from "shop"."orders"');
  });
});
