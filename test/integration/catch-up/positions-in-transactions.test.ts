import { sql as drizzleSql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { sql } from 'kysely';
import { createReplicaFallback, InvalidOptionError } from 'kysely-replica-fallback';
import { createCausalSession, walCatchUp, walPosition } from 'kysely-replica-fallback/postgres';
import { Pool } from 'pg';
import { afterAll, expect, test } from 'vitest';
import { createOrders, type OrdersDatabase } from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);
const { db } = database.primary;
const pool = new Pool({ connectionString: database.cluster.primary.connectionString });
const drizzled = drizzle({ client: pool });
afterAll(() => pool.end());

/** A position that is taken before the commit is older than what the transaction has written. */

let orders = 0;
const insert = () => `insert into orders values ('order-${++orders}', 1)`;
const refusal = {
  name: 'InvalidOptionError',
  option: 'primary',
  message: expect.stringContaining('outside of a transaction') as string,
};

/** Each takes a position in a transaction that has written, and has not been committed. */
const IN_TRANSACTIONS: readonly [string, () => Promise<string>][] = [
  [
    'of Kysely',
    () =>
      db.transaction().execute(async (transaction) => {
        await sql.raw(insert()).execute(transaction);
        return walPosition(transaction);
      }),
  ],
  [
    'of Kysely, controlled and with a schema of its own',
    async () => {
      const transaction = await db.startTransaction().execute();
      try {
        return await walPosition(transaction.withSchema('public'));
      } finally {
        await transaction.rollback().execute();
      }
    },
  ],
  [
    'begun on a connection of Kysely',
    () =>
      db.connection().execute(async (connection) => {
        await sql`begin`.execute(connection);
        await sql.raw(insert()).execute(connection);
        return walPosition(connection).finally(() => sql`rollback`.execute(connection));
      }),
  ],
  [
    'begun on a client of pg',
    async () => {
      const client = await pool.connect();
      await client.query('begin');
      await client.query(insert());
      return walPosition(client).finally(async () => {
        await client.query('rollback');
        client.release();
      });
    },
  ],
  [
    'of a client of pg that has written in a savepoint only',
    async () => {
      const client = await pool.connect();
      await client.query('begin');
      await client.query('savepoint inner_one');
      await client.query(insert());
      await client.query('release savepoint inner_one');
      return walPosition(client, { asynchronousCommits: true }).finally(async () => {
        await client.query('rollback');
        client.release();
      });
    },
  ],
  [
    'of Drizzle',
    () =>
      drizzled.transaction(async (transaction) => {
        await transaction.execute(drizzleSql.raw(insert()));
        return walPosition(transaction);
      }),
  ],
  [
    'of Drizzle, inside of another one',
    () =>
      drizzled.transaction(async (outer) => {
        await outer.execute(drizzleSql.raw(insert()));
        return outer.transaction((inner) => walPosition(inner));
      }),
  ],
];

test.for(IN_TRANSACTIONS)('a transaction %s has no position', async ([, takePosition]) => {
  const error: unknown = await takePosition().catch((reason: unknown) => reason);

  expect(error).toBeInstanceOf(InvalidOptionError);
  expect(error).toMatchObject(refusal);
});

test('a transaction of Kysely has none before it has written either, because it may write then', async () => {
  const position = db.transaction().execute((transaction) => walPosition(transaction));
  await expect(position).rejects.toMatchObject(refusal);
});

test('a session whose primary is a transaction of Kysely has none', async () => {
  const position = db.transaction().execute(async (transaction) => {
    const read = createReplicaFallback<typeof db>({ primary: transaction, catchUp: walCatchUp() });
    const session = createCausalSession(read);
    session.wrote();
    return session.position();
  });
  await expect(position).rejects.toMatchObject(refusal);
});

test('a client of pg has one in a transaction that has read, and after one that has written', async () => {
  const client = await pool.connect();
  try {
    await client.query('begin');
    await client.query('select count(*) from orders');
    await expect(walPosition(client)).resolves.toMatch(/^[\da-f]{12}-/);
    await client.query(insert());
    await client.query('commit');
    await expect(walPosition(client)).resolves.toMatch(/^[\da-f]{12}-/);
  } finally {
    client.release();
  }
});
