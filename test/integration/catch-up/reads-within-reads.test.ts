import { type Kysely, sql } from 'kysely';
import { createReplicaFallback, type ReplicaFallback } from 'kysely-replica-fallback';
import { createCausalSession, walCatchUp } from 'kysely-replica-fallback/postgres';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connect } from '../../support/connect.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';

/**
 * While its query runs, a read holds a connection, on which the replica was checked. A read in that query must not wait for
 * another connection of the same pool: all may be held by reads that wait for such reads.
 */

const database = await replicatedDatabase<OrdersDatabase>(createOrders);
const { cluster } = database;
const READS = 12;
let orders = 0;

type Db = Kysely<OrdersDatabase>;
type Read = <T>(query: (db: Db) => Promise<T>) => Promise<T>;

function open(max: number, pin: 'transaction' | 'connection') {
  const [primary, replica] = [cluster.primary, cluster.replicas[0]].map(({ connectionString }) => {
    const connection = connect<OrdersDatabase>(connectionString, { max });
    onTestFinished(() => connection.end());
    return connection.db;
  }) as [Db, Db];
  const catchUp = walCatchUp({ pin });
  const read = createReplicaFallback({ primary, replica, catchUp, retryMs: 300 });
  return { read, primary, replica };
}

type Clients = Pick<ReturnType<typeof open>, 'primary' | 'replica'>;

const KINDS = {
  'in a session that wrote': (read) => {
    const session = createCausalSession(read);
    session.wrote();
    return (query) => session.read(query);
  },
  "after 'now'": (read) => (query) => read(query, { after: 'now' }),
  'that miss': (read) => (query) => read(query),
  'of a schema, with clients of their own': (read, { primary, replica }) => {
    const schema = 'public';
    return (query) =>
      read(query, {
        after: 'now',
        primary: primary.withSchema(schema),
        replica: replica.withSchema(schema),
      });
  },
} satisfies Record<string, (read: ReplicaFallback<Db>, clients: Clients) => Read>;

/** Finds the order at each of so many levels. */
function nested(read: Read, id: string, levels = 3): Promise<number[] | undefined> {
  return read(async (db) => {
    const own = await findOrder(db, id).executeTakeFirst();
    const others = levels === 1 ? [] : await nested(read, id, levels - 1);
    return own && others && [own.version, ...others];
  });
}

describe.for(Object.entries(KINDS))('reads within reads %s', ([, bind]) => {
  test.for([
    [1, 'transaction'],
    [2, 'connection'],
    [10, 'transaction'],
    [10, 'connection'],
  ] as const)('end, with pools of %i and pin %s', { timeout: 60_000 }, async ([max, pin]) => {
    const { read, ...clients } = open(max, pin);
    const id = String(++orders);
    await database.holdBack();
    onTestFinished(() => database.catchUp());
    await database.write(addOrder(id, 1));

    const readAll = () =>
      Promise.all(Array.from({ length: READS }, () => nested(bind(read, clients), id)));
    const all = Array.from({ length: READS }, () => [1, 1, 1]);

    // Some of these get what they need of the replica, and others of the primary.
    const early = readAll();
    await database.write(addOrder(String(++orders), 1)); // takes a moment
    await database.catchUp();
    expect(await early).toEqual(all);
    expect(await readAll()).toEqual(all);
  });
});

test("a read within a query's own transaction on a checked connection ends", async () => {
  const { read } = open(2, 'connection');
  const id = String(++orders);
  await database.write(addOrder(id, 1));
  const find = (db: Db) => findOrder(db, id).executeTakeFirst();

  const both = await read(
    (db) => db.transaction().execute(async (own) => [await find(own), await read(find)]),
    { after: 'now', retryMs: 10_000 },
  );

  expect(both).toMatchObject([{ version: 1 }, { version: 1, servedBy: 'primary' }]);
});

test.for(['plain', 'after'] as const)(
  'a %s read within a transaction that an error has ended gets its answer',
  async (kind) => {
    const { read } = open(1, 'transaction');
    const id = String(++orders);
    await database.write(addOrder(id, 1));

    const order = await read(
      async () => {
        await read((db) => sql`select 'x'::int`.execute(db)).catch(() => undefined);
        const after = kind === 'after' ? 'now' : undefined;
        return read((db) => findOrder(db, id).executeTakeFirst(), { after });
      },
      { after: 'now', retryMs: 10_000 },
    );

    expect(order).toMatchObject({ version: 1, servedBy: 'primary' });
  },
);

test('a connection does not go back while a read runs on it that the query around it has left', async () => {
  const replica = connect<OrdersDatabase>(cluster.replicas[0].connectionString, { max: 1 });
  onTestFinished(() => replica.end());
  const read = createReplicaFallback({
    primary: database.primary.db,
    replica: replica.db,
    catchUp: walCatchUp(),
    retryMs: 10_000,
  });
  const left = Promise.withResolvers<void>();
  const hasRun = Promise.withResolvers<void>();
  const events: string[] = [];
  const sleep = sql`select pg_sleep(0.01)`;

  const outer = read(
    async () => {
      const inner = read(async (db) => {
        await sleep.execute(db);
        left.resolve();
        for (let statement = 0; statement < 5; statement++) await sleep.execute(db);
        events.push('inner');
        hasRun.resolve();
      });
      await left.promise;
      inner.catch(hasRun.reject);
    },
    { after: 'now', isMiss: () => false },
  );
  await left.promise;
  const other = await replica.pool.connect();
  events.push('other');
  other.release();
  await Promise.all([outer, hasRun.promise]);

  expect(events).toEqual(['inner', 'other']);
});

test('a read that gets no connection of a replica in time goes to the primary, and does not run there later', async () => {
  const replica = connect<OrdersDatabase>(cluster.replicas[0].connectionString, { max: 1 });
  onTestFinished(() => replica.end());
  const id = String(++orders);
  await database.write(addOrder(id, 1));
  const { primary } = database;
  const read = createReplicaFallback({
    primary: primary.db,
    replica: replica.db,
    catchUp: walCatchUp(),
  });

  const held = await replica.pool.connect();
  const order = await read((db) => findOrder(db, id).executeTakeFirst(), { after: 'now' });
  held.release();

  expect(order).toMatchObject({ version: 1, servedBy: 'primary' });
  await expect.poll(() => replica.pool.waitingCount + replica.pool.idleCount).toBe(1);
  expect(replica.queries.filter((query) => query.includes('"orders"'))).toEqual([]);
});

test.for(['transaction', 'primary'] as const)(
  'a read that is given a transaction as its `%s` runs in that, and not on the connection of the read around it',
  async (option) => {
    const { read, primary } = open(2, 'connection');
    await database.holdBack();
    onTestFinished(() => database.catchUp());
    const [written, inside] = [String(++orders), String(++orders)];
    await database.write(addOrder(written, 1));

    const order = await read(
      async (db) => {
        await findOrder(db, written).executeTakeFirstOrThrow();
        return primary.transaction().execute(async (transaction) => {
          await addOrder(inside, 1)(transaction);
          return read((own) => findOrder(own, inside).executeTakeFirst(), {
            [option]: transaction,
          });
        });
      },
      { after: 'now' },
    );

    expect(order).toMatchObject({ id: inside });
  },
);
