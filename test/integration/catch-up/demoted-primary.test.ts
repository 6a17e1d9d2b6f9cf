import { diag } from '@opentelemetry/api';
import { sql as drizzleSql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Kysely } from 'kysely';
import {
  type AttemptContext,
  attempted,
  createReplicaFallback,
  NotPrimaryError,
  type ReplicaFallback,
  type ReplicaFallbackOptions,
} from 'kysely-replica-fallback';
import {
  createCausalSession,
  walCatchUp,
  type WalCatchUpOptions,
  type WalClient,
  walPosition,
} from 'kysely-replica-fallback/postgres';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import { Pool } from 'pg';
import { afterAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { connect } from '../../support/connect.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { recordDiagnostics } from '../../support/recording-diagnostics.ts';
import { recordingLogger } from '../../support/recording-logger.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';
import { walSource } from '../../support/wal-source.ts';

/**
 * The primary's address leads to a standby, as it does for a while after a failover. It and the replica are paused, so that
 * whatever they show of the order is old.
 */

const cluster = await startReplicationCluster({ replicas: 2 });
const [demoted, standby] = cluster.replicas;
if (standby === undefined) throw new Error('There is one standby.');
const writer = connect<OrdersDatabase>(cluster.primary.connectionString);
await createOrders(writer.db);
await addOrder('1', 1)(writer.db);
await Promise.all(cluster.replicas.map((replica) => replica.waitForReplay()));
await Promise.all(cluster.replicas.map((replica) => replica.pauseReplay()));
await writer.db.updateTable('orders').set({ version: 2 }).execute();
const newer = await walPosition(writer.db);
afterAll(async () => {
  await writer.end();
  await cluster.stop();
});

const WINDOW_MS = 500;
const find = (db: Kysely<OrdersDatabase>) => findOrder(db, '1').executeTakeFirst();
type Read = ReplicaFallback<Kysely<OrdersDatabase>>;

/** Clients whose primary is a standby. */
function openDemoted() {
  const [primary, replica] = [demoted, standby].map((server) =>
    connect<OrdersDatabase>(server?.connectionString ?? ''),
  ) as [typeof writer, typeof writer];
  onTestFinished(async () => {
    await Promise.all([primary.end(), replica.end()]);
  });
  return { primary, replica };
}

function reader(options: Partial<ReplicaFallbackOptions<Kysely<OrdersDatabase>, unknown>> = {}) {
  const { primary, replica } = openDemoted();
  const read = createReplicaFallback<Kysely<OrdersDatabase>>({
    primary: primary.db,
    replica: replica.db,
    catchUp: walCatchUp(),
    retryMs: WINDOW_MS,
    ...options,
  });
  return { read, primary, replica };
}

const saysSo = ([, error]: unknown[]) => error instanceof NotPrimaryError;

const FRESH: readonly { what: string; ask: (read: Read) => Promise<unknown> }[] = [
  { what: "a read after 'now'", ask: (read) => read(find, { after: 'now' }) },
  {
    what: "a read after 'now' without a retry",
    ask: (read) => read(find, { after: 'now', retryMs: 0 }),
  },
  { what: 'a read after a newer position', ask: (read) => read(find, { after: newer }) },
  {
    what: 'a read after a position of another cluster',
    ask: (read) => read(find, { after: newer.replace(/^.{12}/, '0123456789ab') }),
  },
  {
    what: 'a read that shares its query',
    ask: (read) => read(find, { after: 'now', operation: 'find', coalesceKey: '1' }),
  },
  {
    what: 'a read that calls every error a miss and a failure',
    ask: (read) =>
      read(find, { after: 'now', isMiss: attempted(({ ok }) => !ok), isUnavailable: () => true }),
  },
  {
    what: 'a read of a session that has written',
    ask(read) {
      const session = createCausalSession(read);
      session.wrote();
      return session.read(find);
    },
  },
  {
    what: 'a read of a session that goes on from a position',
    ask: (read) => createCausalSession(read, { position: newer }).read(find),
  },
  {
    what: 'the position of a session that has written',
    ask(read) {
      const session = createCausalSession(read);
      session.wrote();
      return session.position();
    },
  },
];

test.for(FRESH)('rejects $what', async ({ ask }) => {
  const { read } = reader();
  await expect(ask(read)).rejects.toThrow(NotPrimaryError);
});

test('reports it as an error of the primary', async () => {
  const logger = recordingLogger();
  const { read } = reader({ logger });
  await expect(read(find, { after: 'now' })).rejects.toThrow(NotPrimaryError);
  expect(logger.lines).toMatchObject([
    { level: 'error', fields: { outcome: 'error', failedDuring: 'primary' } },
  ]);
});

test('a position is none', async () => {
  const { primary } = openDemoted();
  for (const client of [primary.db, primary.pool, drizzle({ client: primary.pool })]) {
    await expect(walPosition(client)).rejects.toThrow(NotPrimaryError);
  }
});

const PINS: readonly WalCatchUpOptions[] = [
  {},
  { pin: 'connection' },
  { pin: 'connection', pipeline: true },
  { asynchronousCommits: true },
];

test.for(PINS)('rejects with walCatchUp(%o)', async (options) => {
  const { read } = reader({ catchUp: walCatchUp(options) });
  for (const after of ['now', newer]) {
    await expect(read(find, { after })).rejects.toThrow(NotPrimaryError);
  }
});

/** Reads the order with a client of another make. */
async function readWith<Client extends WalClient>(
  open: (pool: Pool) => Client,
  query: (db: Client) => Promise<unknown>,
): Promise<unknown> {
  const pools = [demoted, standby].map(
    (server) => new Pool({ connectionString: server?.connectionString }),
  ) as [Pool, Pool];
  onTestFinished(async () => {
    await Promise.all(pools.map((pool) => pool.end()));
  });
  const read = createReplicaFallback<Client>({
    primary: open(pools[0]),
    replica: open(pools[1]),
    catchUp: walCatchUp(),
    retryMs: WINDOW_MS,
  });
  return read(query, { after: 'now' });
}

test('rejects with a pool of pg and a client of Drizzle, too', async () => {
  const statement = `select version from orders where id = '1'`;
  await expect(
    readWith(
      (pool) => pool,
      (db) => db.query(statement),
    ),
  ).rejects.toThrow(NotPrimaryError);
  await expect(
    readWith(
      (client) => drizzle({ client }),
      (db) => db.execute(drizzleSql.raw(statement)),
    ),
  ).rejects.toThrow(NotPrimaryError);
});

test('a replica that has the position answers all the same, and the query does not run on the standby in the place of the primary', async () => {
  const { read, primary, replica } = reader();
  const after = await walSource().replayed(replica.db);
  expect(await read(find, { after })).toMatchObject({ version: 1, servedBy: 'replica' });
  expect(primary.queries.filter((query) => query.includes('"orders"'))).toEqual([]);
});

describe('a read that promises existence only', () => {
  let diagnostics: unknown[][];
  beforeEach(() => {
    diagnostics = recordDiagnostics();
    onTestFinished(() => diag.disable());
  });

  test('goes on, and says so once', async () => {
    const logger = recordingLogger();
    const { read } = reader({ logger });

    for (let each = 0; each < 3; each++) {
      expect(await read((db) => findOrder(db, 'nowhere').executeTakeFirst())).toBeUndefined();
    }
    expect(await read(find)).toMatchObject({ version: 1 });

    expect(logger.lines).toEqual([
      {
        level: 'warn',
        message: 'A standby answers in place of the primary: rows may be missing.',
        fields: expect.objectContaining({ outcome: 'not_found' }),
      },
    ]);
    expect(diagnostics).toEqual([
      [expect.stringContaining('The primary gave no position.'), expect.any(NotPrimaryError)],
    ]);
  });

  test('says so although the primary was silent before, and again after it was one', async () => {
    const logger = recordingLogger();
    const proxy = await startTcpProxy(cluster.primary.connectionString);
    const primary = connect<OrdersDatabase>(proxy.connectionString);
    onTestFinished(async () => {
      await proxy.close();
      await primary.end();
    });
    const { read } = reader({ logger, primary: primary.db });
    const readNowhere = () => read((db) => findOrder(db, 'nowhere').executeTakeFirst());
    const demote = async () => {
      proxy.refuse();
      await readNowhere().catch(() => {});
      proxy.redirect(demoted.connectionString);
      await proxy.pass();
    };
    const warnings = () => logger.lines.filter(({ level }) => level === 'warn').length;

    await demote();
    await readNowhere();
    await readNowhere();
    expect([warnings(), diagnostics.filter(saysSo).length]).toEqual([1, 1]);

    proxy.refuse();
    proxy.redirect(cluster.primary.connectionString);
    await proxy.pass();
    await readNowhere();
    await demote();
    await readNowhere();
    expect([warnings(), diagnostics.filter(saysSo).length]).toEqual([2, 2]);
  });

  test('takes no answer for a read that promises more, although they share a key', async () => {
    const { read } = reader();
    let waiting = 0;
    const slowly = async (db: Kysely<OrdersDatabase>, { source }: AttemptContext) => {
      if (source === 'primary') await vi.waitUntil(() => ++waiting > 10);
      return find(db);
    };
    const options = {
      operation: 'find',
      coalesceKey: '1',
      isMiss: () => true,
      retryMs: 0,
    } as const;

    const [existence, fresh] = await Promise.allSettled([
      read(slowly, options),
      read(slowly, { ...options, after: 'now' }),
    ]);

    expect(existence).toMatchObject({ status: 'fulfilled' });
    expect(fresh).toMatchObject({ status: 'rejected', reason: { name: 'NotPrimaryError' } });
  });
});
