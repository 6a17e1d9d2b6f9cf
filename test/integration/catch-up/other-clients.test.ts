import { setTimeout as sleep } from 'node:timers/promises';
import { sql as drizzleSql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { drizzle as drizzleOnPostgresJs } from 'drizzle-orm/postgres-js';
import { sql } from 'kysely';
import {
  createReplicaFallback,
  InvalidOptionError,
  withReplicaFallback,
} from 'kysely-replica-fallback';
import {
  createCausalSession,
  surviveConnectionErrors,
  walCatchUp,
  type WalCatchUpOptions,
  type WalClient,
  walPosition,
} from 'kysely-replica-fallback/postgres';
import { Pool } from 'pg';
import postgres from 'postgres';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connect } from '../../support/connect.ts';
import { addOrder, createOrders, type OrdersDatabase } from '../../support/orders.ts';
import { endOtherClients, openOtherClients } from '../../support/other-clients.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { seeRead } from '../../support/see-read.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);

/** What runs a statement, and gives its first row. The transactions of the client do, too. */
type Run<Client> = (db: Client, statement: string) => Promise<object | undefined>;

interface Opened<Client> {
  readonly db: Client;
  end(): Promise<unknown>;
}

function openPool(connectionString: string): Pool {
  const pool = new Pool({ connectionString, max: 1 }); // so that one that is left behind is missed
  pool.on('error', () => {});
  return pool;
}

testCatchUp(
  'Kysely',
  (url) => connect<object>(url, { max: 1 }),
  async (db, statement) => {
    const { rows } = await sql.raw<object>(statement).execute(db);
    return rows[0];
  },
);

testCatchUp(
  'a pool of pg',
  (url) => {
    const pool = openPool(url);
    return { db: pool, end: () => pool.end() };
  },
  async (db, statement) => (await db.query<object>(statement)).rows[0],
);

testCatchUp(
  'Drizzle',
  (url) => {
    const pool = openPool(url);
    surviveConnectionErrors(pool);
    return { db: drizzle({ client: pool }), end: () => pool.end() };
  },
  async (db, statement) => (await db.execute(drizzleSql.raw(statement))).rows[0],
);

function testCatchUp<Client extends WalClient>(
  name: string,
  open: (connectionString: string) => Opened<Client>,
  run: Run<Client>,
): void {
  const { cluster } = database;
  const catchUp = walCatchUp();

  function openBoth() {
    const primary = open(cluster.primary.connectionString);
    const replica = open(cluster.replicas[0].connectionString);
    onTestFinished(async () => {
      await database.catchUp();
      await Promise.all([primary.end(), replica.end()]);
    });
    return { primary: primary.db, replica: replica.db, retryMs: { max: 20_000 } };
  }

  const find = (db: Client, id: string) =>
    run(
      db,
      `select version, pg_is_in_recovery() as on_replica, pg_backend_pid() as pid,
        current_setting('transaction_read_only') as read_only
      from orders where id = '${id}'`,
    );

  describe(`catch-up with ${name}`, () => {
    test('serves a new row from the replica, once that has caught up', async () => {
      const clients = openBoth();
      await database.holdBack();
      await database.write(addOrder(`${name} new`));
      let lag: Promise<void> | undefined;

      const { result, asked, report } = await seeRead(
        async (db, { source }) => {
          const found = await find(db, `${name} new`);
          if (source === 'replica') lag = sleep(100).then(() => database.catchUp());
          return found;
        },
        { ...clients, catchUp },
      );
      await lag;

      expect(result).toMatchObject({ value: { version: 1, on_replica: true, read_only: 'on' } });
      expect(asked).toEqual(['replica', 'replica_retry']);
      expect(report.recovery?.catchUp).toMatchObject({ waitedFor: 'existence', end: 'caught_up' });
    });

    test('reads nothing on the primary for a row that is nowhere', async () => {
      const { result, asked, report } = await seeRead((db) => find(db, 'nowhere'), {
        ...openBoth(),
        catchUp,
      });

      expect(result).toMatchObject({ value: undefined });
      expect(asked).toEqual(['replica', 'replica_retry']);
      expect(report.outcome).toBe('not_found');
    });

    test.for(['position', 'now'])('sees a change with `after`: %s', async (level) => {
      const id = `${name} ${level}`;
      const clients = openBoth();
      await database.write(addOrder(id));
      await database.holdBack();
      await database.write((db) =>
        db.updateTable('orders').set({ version: 2 }).where('id', '=', id).execute(),
      );
      const after = level === 'now' ? 'now' : await walPosition(clients.primary);

      const lag = sleep(100).then(() => database.catchUp());
      const { result, asked } = await seeRead((db) => find(db, id), {
        ...clients,
        catchUp,
        after,
      });
      await lag;

      expect(result).toMatchObject({ value: { version: 2, on_replica: true } });
      expect(asked).not.toContain('primary');
    });

    test('gives on what the query throws, and leaves no connection behind', async () => {
      const clients = openBoth();
      const read = createReplicaFallback({ ...clients, catchUp, after: 'now' });
      const thrown = new Error('The query has thrown this.');

      const failing = read(() => Promise.reject(thrown));
      await expect(failing).rejects.toBe(thrown);
      const wrong = read((db) => run(db, 'select 1 / 0'));
      await expect(wrong.catch(codeOf)).resolves.toBe('22012');
      const behind = read((db) => find(db, 'x'), { after: `${'0'.repeat(12)}-1`, retryMs: 1 });
      await expect(behind).resolves.toBeUndefined();

      await expect(read((db) => run(db, 'select 1 as one'))).resolves.toEqual({ one: 1 });
      await expect.poll(countTransactions).toBe(0);
    });

    test('leaves no connection behind that was lost in the middle of a query', async () => {
      const read = createReplicaFallback({ ...openBoth(), catchUp, after: 'now' });

      const lost = read((db) => run(db, 'select pg_terminate_backend(pg_backend_pid())'));

      await expect(lost.catch(codeOf)).resolves.toBe('57P01');
      await expect(read((db) => run(db, 'select 1 as one'))).resolves.toEqual({ one: 1 });
    });

    test('lets a session see its own write', async () => {
      const id = `${name} session`;
      const clients = openBoth();
      await database.write(addOrder(id));
      const session = createCausalSession(createReplicaFallback({ ...clients, catchUp }));
      await database.holdBack();
      await database.write((db) =>
        db.updateTable('orders').set({ version: 2 }).where('id', '=', id).execute(),
      );
      session.wrote(await walPosition(clients.primary));

      const lag = sleep(100).then(() => database.catchUp());
      const seen = await session.read((db) => find(db, id));
      await lag;

      expect(seen).toMatchObject({ version: 2, on_replica: true });
      expect(await session.position()).toMatch(/^[\da-f]{12}-/);
    });
  });
}

test.for<WalCatchUpOptions>([{ pin: 'connection' }, { pin: 'connection', pipeline: true }])(
  'a pool of pg is checked on the connection of the query, with %o',
  async (options) => {
    const { connectionString } = database.cluster.replicas[0];
    const replica = new Pool({ connectionString, max: 1, pipeline: options.pipeline ?? false });
    const primary = openPool(database.cluster.primary.connectionString);
    onTestFinished(async () => void (await Promise.all([replica.end(), primary.end()])));
    await database.write(addOrder(`pinned ${options.pipeline}`));

    const { result, asked } = await seeRead(
      async (db) => {
        const { rows } = await db.query<object>(`
          select count(*)::int as found, current_setting('transaction_read_only') as read_only
          from orders where id = 'pinned ${options.pipeline}'`);
        return rows[0];
      },
      { primary, replica, catchUp: walCatchUp(options), after: 'now', retryMs: { max: 20_000 } },
    );

    expect(result).toMatchObject({ value: { found: 1, read_only: 'on' } });
    expect(asked).not.toContain('primary');
    expect(replica).toMatchObject({ totalCount: 1, idleCount: 1 });
  },
);

test('a transaction of Drizzle on another driver than pg is refused', async () => {
  const client = postgres(database.cluster.primary.connectionString, { max: 1 });
  onTestFinished(() => client.end());

  const position = drizzleOnPostgresJs({ client }).transaction((tx) => walPosition(tx as never));

  await expect(position).rejects.toMatchObject({ option: 'primary' });
});

test('Drizzle gives no connection to pin', async () => {
  const pool = openPool(database.cluster.primary.connectionString);
  onTestFinished(() => pool.end());
  const primary = drizzle({ client: pool });
  const read = createReplicaFallback({
    primary,
    replica: drizzle({ client: pool }),
    catchUp: walCatchUp({ pin: 'connection' }),
    after: 'now',
  });

  const answer = read((db) => db.execute('select 1'));

  await expect(answer).rejects.toThrow(InvalidOptionError);
  await expect(answer).rejects.toThrow(
    "Expected `pin` to be 'transaction' for a client of Drizzle",
  );
});

test('a client of no known shape is refused as soon as it would have to be asked', async () => {
  const primaries = openOtherClients(database.cluster.primary.connectionString);
  onTestFinished(() => endOtherClients(primaries));
  const replicas = openOtherClients(database.cluster.replicas[0].connectionString);
  onTestFinished(() => endOtherClients(replicas));
  const catchUp = walCatchUp() as never;

  const refusals = [...primaries].map(async ([name, { client: primary }]) => {
    const options = { primary, replica: replicas.get(name)!.client, catchUp };
    const reads = [{}, { after: 'now' }, { after: `${'0'.repeat(12)}-1` }].map((more) =>
      withReplicaFallback(findNothing, { ...options, ...more, retryMs: 1 }),
    );
    const ends = await Promise.allSettled([...reads, walPosition(primary as never)]);
    return [name, ends.map((end) => end.status === 'rejected' && end.reason.option)];
  });
  // Both are asked at once.
  const either = expect.stringMatching(/^(primary|replica)$/);
  const refused = ['primary', 'primary', either, 'primary'];

  expect(Object.fromEntries(await Promise.all(refusals))).toMatchObject({
    'postgres.js': refused,
    'Drizzle on postgres.js': refused,
    knex: refused,
    TypeORM: refused,
    Prisma: refused,
  });
});

async function findNothing(): Promise<undefined> {}

/** That of what the server said, whoever wrapped it. */
function codeOf(error: unknown): unknown {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  return code ?? codeOf(cause);
}

/** How many of them nobody has ended, on the standby. */
async function countTransactions(): Promise<number> {
  const { rows } = await sql`
    select from pg_stat_activity where state like 'idle in transaction%'`.execute(
    database.replica.db,
  );
  return rows.length;
}
