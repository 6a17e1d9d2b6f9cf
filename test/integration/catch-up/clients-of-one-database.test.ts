import { drizzle } from 'drizzle-orm/node-postgres';
import { CamelCasePlugin, type Kysely } from 'kysely';
import {
  createReplicaFallback,
  type ReplicaFallbackOptions,
  type ReplicaQuery,
} from 'kysely-replica-fallback';
import { createCausalSession, walCatchUp } from 'kysely-replica-fallback/postgres';
import { recordReads } from 'kysely-replica-fallback/testing';
import { Pool } from 'pg';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { TOO_LATE } from '../../support/too-late.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);
afterEach(() => database.catchUp());

type Client = Kysely<OrdersDatabase>;

/** Clients that a service makes for each request. */
const WAYS: readonly { how: string; derive: (db: Client) => Client }[] = [
  { how: 'withSchema()', derive: (db) => db.withSchema('public') },
  { how: 'withPlugin()', derive: (db) => db.withPlugin(new CamelCasePlugin()) },
  { how: 'withoutPlugins()', derive: (db) => db.withoutPlugins() },
];

const READS = 50;
const find = (id: string) => (db: Client) => findOrder(db, id).executeTakeFirst();

/** A read with clients of its own. */
function reader(derive: (db: Client) => Client, windowMs: number) {
  const catchUp = walCatchUp();
  const read = createReplicaFallback({
    primary: database.primary.db,
    replica: database.replica.db,
    catchUp,
    retryMs: windowMs,
  });
  return <T>(
    query: ReplicaQuery<Client, T>,
    overrides: Partial<ReplicaFallbackOptions<Client, T>> = {},
  ) =>
    read(query, {
      primary: derive(database.primary.db),
      replica: derive(database.replica.db),
      ...overrides,
    });
}

/** Those for positions, but not those that flush. */
const positionQueries = () =>
  database.primary.queries.filter(
    (query) => query.includes('pg_current_wal') && !query.includes('pg_logical_emit_message'),
  );

test.for(WAYS)(
  'reads that miss together share position queries, on clients by $how',
  async ({ how, derive }) => {
    const { onOutcome, outcomes } = recordReads();
    const read = reader(derive, 20_000);
    await database.holdBack();
    await database.write(addOrder(how));
    const before = positionQueries().length;
    let misses = 0;

    const reads = Array.from({ length: READS }, () =>
      read(
        async (db, { source }) => {
          const found = await find(how)(db);
          if (source === 'replica' && ++misses === READS) await database.catchUp();
          return found;
        },
        { onOutcome },
      ),
    );
    const found = await Promise.all(reads);

    expect(found).toEqual(Array.from(found, () => expect.objectContaining({ id: how })));
    expect(outcomes).toEqual(Array.from(outcomes, () => 'replica_retry'));
    expect(positionQueries().length - before).toBeLessThanOrEqual(2);
  },
);

test.for(WAYS)('an outage costs one window, on clients by $how', async ({ how, derive }) => {
  const WINDOW_MS = 1_500; // longer than a slow machine stands still
  const { onOutcome, reports } = recordReads();
  const read = reader(derive, WINDOW_MS);
  await database.holdBack();
  const id = `${how} in an outage`;
  await database.write(addOrder(id));

  for (let each = 0; each < 5; each++) await read(find(id), { onOutcome });

  const ends = reports.map(({ recovery }) => recovery?.catchUp?.end);
  expect(ends).toEqual([TOO_LATE, 'hopeless', 'hopeless', 'hopeless', 'hopeless']);
});

test.for(WAYS)('sessions share position queries, on clients by $how', async ({ derive }) => {
  const before = positionQueries().length;

  const positions = await Promise.all(
    Array.from({ length: READS }, () => {
      const read = createReplicaFallback({
        primary: derive(database.primary.db),
        replica: derive(database.replica.db),
        catchUp: walCatchUp(),
      });
      const session = createCausalSession(read);
      session.wrote();
      return session.position();
    }),
  );

  expect(new Set(positions).size).toBe(1);
  expect(positionQueries().length - before).toBeLessThanOrEqual(2);
});

test('a read that knows of asynchronous commits takes no position from one that does not', async () => {
  const { primary, replica } = database;
  const options = { primary: primary.db, replica: replica.db, retryMs: 20_000 };
  const before = positionQueries().length;

  await Promise.all(
    [true, false].flatMap((asynchronousCommits) => {
      const read = createReplicaFallback({
        ...options,
        catchUp: walCatchUp({ asynchronousCommits }),
      });
      return [read(find('nowhere')), read(find('nowhere'))];
    }),
  );

  const asked = positionQueries().slice(before);
  const flushed = asked.filter((query) => query.includes('pg_current_wal_flush_lsn'));
  expect([asked.length, flushed.length]).toEqual([2, 1]);
});

test('clients of Drizzle on one pool share position queries', async () => {
  const pools = [database.cluster.primary, database.cluster.replicas[0]].map(
    ({ connectionString }) => new Pool({ connectionString }),
  ) as [Pool, Pool];
  onTestFinished(async () => {
    await Promise.all(pools.map((pool) => pool.end()));
  });
  const [primaryPool, replicaPool] = pools;
  let asked = 0;
  const logger = {
    logQuery: (query: string) => void (query.includes('pg_current_wal') && asked++),
  };
  const read = createReplicaFallback({
    primary: drizzle({ client: primaryPool }),
    replica: drizzle({ client: replicaPool }),
    catchUp: walCatchUp(),
    isMiss: () => true,
    retryMs: 20_000,
  });

  await Promise.all(
    Array.from({ length: READS }, () =>
      read((db) => db.execute('select 1'), {
        primary: drizzle({ client: primaryPool, logger }),
        replica: drizzle({ client: replicaPool }),
      }),
    ),
  );

  expect(asked).toBeGreaterThan(0);
  expect(asked).toBeLessThanOrEqual(2);
});
