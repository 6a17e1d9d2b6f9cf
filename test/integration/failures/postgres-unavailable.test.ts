import { type Kysely, sql } from 'kysely';
import {
  connectionLost,
  recoveryConflict,
  replicaUnavailable,
  schemaBehind,
} from 'kysely-replica-fallback/postgres';
import { Client } from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { connect } from '../../support/connect.ts';
import { addOrder, createOrders, type OrdersDatabase } from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';

/** What happens to connections is in `other-clients.test.ts`, with each client. */

const database = await replicatedDatabase<OrdersDatabase>(async (db) => {
  await createOrders(db);
  await sql`create type mood as enum ('fine')`.execute(db);
});
await database.write(addOrder('1'));

const standby = () => database.cluster.replicas[0];

function open(connectionString: string): Kysely<OrdersDatabase> {
  const connection = connect<OrdersDatabase>(connectionString);
  onTestFinished(() => connection.end());
  return connection.db;
}

/** What the query rejects with. */
async function errorOf(query: Promise<unknown>): Promise<unknown> {
  const [result] = await Promise.allSettled([query]);
  if (result.status === 'rejected') return result.reason;
  throw new Error('The query went well.');
}

/** Which of the classifiers know the error. */
function kindsOf(error: unknown): string[] {
  const classifiers = { connectionLost, recoveryConflict, schemaBehind };
  const kinds = Object.entries(classifiers).filter(([, isOne]) => isOne(error));
  expect(replicaUnavailable(error)).toBe(kinds.length > 0);
  return kinds.map(([kind]) => kind);
}

test.for([
  {
    code: '42P01',
    what: 'a table',
    migration: 'create table later (id int)',
    query: 'select from later',
  },
  {
    code: '42703',
    what: 'a column',
    migration: 'alter table orders add column later int',
    query: 'select later from orders',
  },
  {
    code: '42883',
    what: 'a function',
    migration: 'create function later() returns int return 1',
    query: 'select later()',
  },
  {
    code: '22P02',
    what: 'a value of an enum',
    migration: `alter type mood add value 'later'`,
    query: `select 'later'::mood`,
  },
  {
    code: '42704',
    what: 'a type',
    migration: `create type later_type as enum ('a')`,
    query: 'select null::later_type',
  },
  {
    code: '42704',
    what: 'a collation',
    migration: 'create collation later from "C"',
    query: `select 'a' collate later`,
  },
  {
    code: '42846',
    what: 'a cast',
    migration: 'create cast (bytea as mood) with inout',
    query: 'select null::bytea::mood',
  },
  {
    code: '3F000',
    what: 'a schema',
    migration:
      'create schema later create view one as select 1; create function later.f() returns int return 1',
    query: 'select later.f()',
  },
])(
  '$what that the standby has not replayed yet is a schema behind',
  async ({ code, migration, query }) => {
    await database.holdBack();
    onTestFinished(() => database.catchUp());
    await database.write((db) => sql.raw(migration).execute(db));

    const error = await errorOf(sql.raw(query).execute(database.replica.db));

    expect(error).toMatchObject({ code });
    expect(kindsOf(error)).toEqual(['schemaBehind']);
    await sql.raw(query).execute(database.primary.db);
  },
);

test.for([
  {
    what: 'a statement time-out',
    code: '57014',
    query: `set statement_timeout = 50; select pg_sleep(60)`,
  },
  { what: 'a wrong value', code: '22P02', query: `select 'a value for enum mood'::int` },
  { what: 'a table without a grant', code: '42501', query: 'set role pg_monitor; table orders' },
  { what: 'a role that is not there', code: '22023', query: 'set role nobody' },
])('$what on the standby is not unavailability', async ({ code, query }) => {
  const error = await errorOf(sql.raw(query).execute(open(standby().connectionString)));

  expect(error).toMatchObject({ code });
  expect(kindsOf(error)).toEqual([]);
});

test('a plan that a migration has outdated is not unavailability, and concerns statements with a name', async () => {
  await database.write((db) => sql`create table plans (id int)`.execute(db));
  const client = new Client({ connectionString: standby().connectionString });
  onTestFinished(() => client.end());
  await client.connect();
  const named = () => client.query({ name: 'plans', text: 'table plans' });
  const { db } = database.replica;
  await Promise.all([named(), sql`table plans`.execute(db)]);

  await database.write((primary) => sql`alter table plans add later int`.execute(primary));

  await sql`table plans`.execute(db);
  for (const error of [await errorOf(named()), await errorOf(named())]) {
    expect(error).toMatchObject({ code: '0A000' });
    expect(kindsOf(error)).toEqual([]);
  }
});

test('a database that is not there is not unavailability', async () => {
  const url = new URL(standby().connectionString);
  url.pathname = '/nowhere';

  const error = await errorOf(sql`select 1`.execute(open(url.href)));

  expect(error).toMatchObject({ code: '3D000' });
  expect(kindsOf(error)).toEqual([]);
});

test('a wrong number of parameters is not unavailability', async () => {
  const { pool } = database.replica;

  const error = await errorOf(pool.query('select $1::int, $2::int', [1]));

  expect(error).toMatchObject({ code: '08P01' });
  expect(kindsOf(error)).toEqual([]);
});

test('more ids than a statement takes are not unavailability', async () => {
  const ids = Array.from({ length: 70_000 }, (_, index) => String(index));

  const error = await errorOf(
    database.replica.db.selectFrom('orders').select('id').where('id', 'in', ids).execute(),
  );

  expect(error).toMatchObject({ code: '08P01' });
  expect(kindsOf(error)).toEqual([]);
});

test('a serialization failure is not a recovery conflict', async () => {
  const [one, two] = [open(database.cluster.primary.connectionString), database.primary.db];
  await database.write(addOrder('3'));

  const update = sql`update orders set version = version + 1 where id = '3'`;
  const error = await errorOf(
    one
      .transaction()
      .setIsolationLevel('repeatable read')
      .execute(async (transaction) => {
        await sql`select from orders`.execute(transaction);
        await update.execute(two);
        await update.execute(transaction);
      }),
  );

  expect(error).toMatchObject({ code: '40001' });
  expect(kindsOf(error)).toEqual([]);
});

test('a constraint is not unavailability', async () => {
  await database.write(addOrder('4'));

  const error = await errorOf(addOrder('4')(database.primary.db));

  expect(error).toMatchObject({ code: '23505' });
  expect(kindsOf(error)).toEqual([]);
});
