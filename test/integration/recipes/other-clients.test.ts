import { PrismaPg } from '@prisma/adapter-pg';
import { eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable, text } from 'drizzle-orm/pg-core';
import knex from 'knex';
import { sql as kyselySql } from 'kysely';
import { type IsMiss, noRow, noRows, thrown, withReplicaFallback } from 'kysely-replica-fallback';
import postgres from 'postgres';
import { DataSource, EntityNotFoundError, EntitySchema } from 'typeorm';
import { afterAll, expect, test } from 'vitest';
import { PrismaClient } from '../../../examples/other-clients/prisma/client/client.ts';
import { isAMiss } from '../../support/is-a-miss.ts';
import { listSleepers } from '../../support/list-sleepers.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';

interface OrdersDatabase {
  orders: { id: string; status: string; version: number };
}

const database = await replicatedDatabase<OrdersDatabase>((db) =>
  kyselySql`create table orders (id text primary key, status text, version int)`.execute(db),
);
const url = database.cluster.replicas[0].connectionString;
const { db: kysely, pool } = database.replica;

const Order = new EntitySchema<{ id: string; status: string; version: number }>({
  name: 'orders',
  columns: {
    id: { type: 'text', primary: true },
    status: { type: 'text' },
    version: { type: 'int' },
  },
});
const orders = pgTable('orders', { id: text().primaryKey(), status: text(), version: integer() });

const onDrizzle = drizzle({ client: pool, schema: { orders } });
const onPostgresJs = postgres(url);
const onKnex = knex({ client: 'pg', connection: url });
const onPrisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: url }) });
const source = await new DataSource({ type: 'postgres', url, entities: [Order] }).initialize();
afterAll(async () => {
  await Promise.all([
    onPostgresJs.end(),
    onKnex.destroy(),
    onPrisma.$disconnect(),
    source.destroy(),
  ]);
});

const id = 'x';
const isP2025 = (error: unknown) => Object(error).code === 'P2025';

test.for<[string, IsMiss<never>, () => PromiseLike<unknown>]>([
  ['Kysely: executeTakeFirst()', noRow, () => findOnKysely().executeTakeFirst()],
  ['Kysely: executeTakeFirstOrThrow()', noRow, () => findOnKysely().executeTakeFirstOrThrow()],
  ['Kysely: execute()', noRows, () => findOnKysely().execute()],
  ['pg', noRows, () => pool.query('select from orders where id = $1', [id])],
  ['Drizzle: select()', noRows, () => onDrizzle.select().from(orders).where(eq(orders.id, id))],
  ['Drizzle: findFirst()', noRow, () => onDrizzle.query.orders.findFirst()],
  ['postgres.js', noRows, () => onPostgresJs`select from orders where id = ${id}`],
  ['knex: first()', noRow, () => onKnex('orders').where({ id }).first()],
  ['knex: select()', noRows, () => onKnex('orders').select().where({ id })],
  ['TypeORM: findOneBy()', noRow, () => source.manager.findOneBy(Order, { id })],
  [
    'TypeORM: findOneByOrFail()',
    thrown(EntityNotFoundError),
    () => source.manager.findOneByOrFail(Order, { id }),
  ],
  ['TypeORM: findBy()', noRows, () => source.manager.findBy(Order, { id })],
  ['Prisma: findUnique()', noRow, () => onPrisma.order.findUnique({ where: { id } })],
  [
    'Prisma: findUniqueOrThrow()',
    thrown(isP2025),
    () => onPrisma.order.findUniqueOrThrow({ where: { id } }),
  ],
  ['Prisma: findMany()', noRows, () => onPrisma.order.findMany({ where: { id } })],
])('no row is a miss, with %s', async ([, isMiss, find]) => {
  expect(await isAMiss(isMiss, find)).toBe(true);
});

test('a query of postgres.js is cancelled by the signal of its attempt', async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const failing = withReplicaFallback(
    (sql, attempt) => {
      const query = sql`select pg_sleep(60)`;
      attempt.signal?.addEventListener('abort', () => query.cancel(), { once: true });
      return query;
    },
    { primary: onPostgresJs, signal },
  );

  await expect.poll(() => listSleepers(kysely)).toHaveLength(1);
  controller.abort('enough');

  await expect(failing).rejects.toBe('enough');
  await expect.poll(() => listSleepers(kysely)).toEqual([]);
});

test('a query of knex is cancelled by a time-out of its own', async () => {
  const failing = onKnex.raw('select pg_sleep(60)').timeout(500, { cancel: true });

  await expect(failing).rejects.toThrow('Defined query timeout');
  await expect.poll(() => listSleepers(kysely)).toEqual([]);
});

function findOnKysely() {
  return kysely.selectFrom('orders').selectAll().where('id', '=', id);
}
