import { PrismaPg } from '@prisma/adapter-pg';
import { eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable, text } from 'drizzle-orm/pg-core';
import { drizzle as drizzleOnPostgresJs } from 'drizzle-orm/postgres-js';
import knex from 'knex';
import { Kysely, PostgresDialect, sql as kyselySql } from 'kysely';
import { surviveConnectionErrors } from 'kysely-replica-fallback/postgres';
import { Pool } from 'pg';
import postgres from 'postgres';
import { DataSource, EntitySchema } from 'typeorm';
import { PrismaClient } from '../../examples/other-clients/prisma/client/client.ts';
import { within } from '../../src/deadline.ts';

/** A client that is connected to one server. */
export interface OpenClient {
  readonly client: unknown;
  /** Runs a statement of ours. */
  run(statement: string): Promise<unknown>;
  /** Runs a statement of the client's own: finds an order with all columns that the client knows of. */
  find(id: string): Promise<unknown>;
  end(): Promise<unknown>;
}

/** Of the client's pool. */
export interface PoolSettings {
  readonly max?: number;
  /** How long to wait for a connection. Default is without end, or as long as the client does. */
  readonly timeoutMs?: number;
}

interface OrderRow {
  id: string;
  status: string;
  version: number;
}

const orders = pgTable('orders', {
  id: text().primaryKey(),
  status: text().notNull(),
  version: integer().notNull(),
});

const OrderEntity = new EntitySchema<OrderRow>({
  name: 'orders',
  columns: {
    id: { type: 'text', primary: true },
    status: { type: 'text' },
    version: { type: 'int' },
  },
});

function openPool(connectionString: string, { max = 10, timeoutMs = 0 }: PoolSettings): Pool {
  const pool = new Pool({ connectionString, max, connectionTimeoutMillis: timeoutMs });
  surviveConnectionErrors(pool);
  return pool;
}

function openPostgresJs(connectionString: string, { max = 10, timeoutMs }: PoolSettings) {
  return postgres(connectionString, { max, connect_timeout: (timeoutMs ?? 30_000) / 1_000 });
}

/** Each client that the documents tell of, by its name there. */
export const OTHER_CLIENTS: Readonly<
  Record<string, (connectionString: string, settings?: PoolSettings) => OpenClient>
> = {
  pg(connectionString, settings = {}) {
    const pool = openPool(connectionString, settings);
    return {
      client: pool,
      run: (statement) => pool.query(statement),
      find: (id) => pool.query('select id, status, version from orders where id = $1', [id]),
      end: () => pool.end(),
    };
  },
  Kysely(connectionString, settings = {}) {
    const pool = openPool(connectionString, settings);
    const db = new Kysely<{ orders: OrderRow }>({ dialect: new PostgresDialect({ pool }) });
    return {
      client: db,
      run: (statement) => kyselySql.raw(statement).execute(db),
      find: (id) =>
        db.selectFrom('orders').select(['id', 'status', 'version']).where('id', '=', id).execute(),
      end: () => db.destroy(),
    };
  },
  'Drizzle on node-postgres'(connectionString, settings = {}) {
    const pool = openPool(connectionString, settings);
    const db = drizzle({ client: pool });
    return {
      client: db,
      run: (statement) => db.execute(sql.raw(statement)),
      find: async (id) => db.select().from(orders).where(eq(orders.id, id)),
      end: () => pool.end(),
    };
  },
  'Drizzle on postgres.js'(connectionString, settings = {}) {
    const client = openPostgresJs(connectionString, settings);
    const db = drizzleOnPostgresJs({ client });
    return {
      client: db,
      run: (statement) => db.execute(sql.raw(statement)),
      find: async (id) => db.select().from(orders).where(eq(orders.id, id)),
      end: () => client.end({ timeout: 0 }),
    };
  },
  'postgres.js'(connectionString, settings = {}) {
    const client = openPostgresJs(connectionString, settings);
    return {
      client,
      run: (statement) => client.unsafe(statement),
      find: async (id) => client`select id, status, version from orders where id = ${id}`,
      end: () => client.end({ timeout: 0 }),
    };
  },
  knex(connectionString, { max = 10, timeoutMs = 60_000 } = {}) {
    const db = knex({
      client: 'pg',
      connection: connectionString,
      pool: { min: 0, max },
      acquireConnectionTimeout: timeoutMs,
      log: { warn() {}, error() {} },
    });
    return {
      client: db,
      run: async (statement) => db.raw(statement),
      find: async (id) => db('orders').select('id', 'status', 'version').where({ id }).first(),
      end: () => db.destroy(),
    };
  },
  TypeORM(connectionString, { max = 10, timeoutMs = 0 } = {}) {
    const source = new DataSource({
      type: 'postgres',
      url: connectionString,
      poolSize: max,
      connectTimeoutMS: timeoutMs,
      entities: [OrderEntity],
    });
    let connected: Promise<DataSource> | undefined;
    const connect = () => {
      connected ??= source.initialize().catch((error: unknown) => {
        connected = undefined; // so that the next one tries again, as with the others
        throw error;
      });
      return connected;
    };
    return {
      client: source,
      run: async (statement) => (await connect()).query(statement),
      find: async (id) => (await connect()).getRepository(OrderEntity).findOneBy({ id }),
      end: async () => source.isInitialized && source.destroy(),
    };
  },
  Prisma(connectionString, { max = 10, timeoutMs = 0 } = {}) {
    const adapter = new PrismaPg({ connectionString, max, connectionTimeoutMillis: timeoutMs });
    const prisma = new PrismaClient({ adapter });
    return {
      client: prisma,
      run: (statement) => prisma.$queryRawUnsafe(statement),
      find: (id) => prisma.order.findUnique({ where: { id } }),
      end: () => prisma.$disconnect(),
    };
  },
};

/** One of each, on one server. */
export function openOtherClients(
  connectionString: string,
  settings?: PoolSettings,
): ReadonlyMap<string, OpenClient> {
  const clients = Object.entries(OTHER_CLIENTS).map(
    ([name, open]) => [name, open(connectionString, settings)] as const,
  );
  return new Map(clients);
}

/** Ends all of them. Names those that do not end, which the time-out of a hook would not. */
export async function endOtherClients(clients: ReadonlyMap<string, OpenClient>): Promise<void> {
  const open = new Set(clients.keys());
  const ends = [...clients].map(async ([name, client]) => {
    await client.end();
    open.delete(name);
  });
  await within(20_000, Promise.all(ends), undefined);
  if (open.size > 0) throw new Error(`Did not close: ${[...open].join(', ')}`);
}
