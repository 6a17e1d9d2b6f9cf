import { eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable, text, withReplicas } from 'drizzle-orm/pg-core';
import { Kysely, PostgresDialect } from 'kysely';
import { createReplicaFallback, type ReplicaFallback } from 'kysely-replica-fallback';
import {
  type CausalSession,
  createCausalSession,
  replicaUnavailable,
  walCatchUp,
} from 'kysely-replica-fallback/postgres';
import { KyselyReplicationDialect } from 'kysely-replication';
import { RoundRobinReplicaStrategy } from 'kysely-replication/strategy/round-robin';
import { Pool } from 'pg';
import { connect } from '../connect.ts';

export interface Database {
  bench_orders: { id: string; version: number };
}

interface Found {
  readonly version: number;
}

/** A way to read, with clients of its own. */
export interface Policy {
  readonly name: string;
  find(id: string, user: number): Promise<Found | undefined>;
  /** Hears that a user's write was committed. */
  wrote(user: number): void;
  readonly counts: QueryCounts;
  end(): Promise<void>;
}

interface QueryCounts {
  /** Each read asks the primary for its row once at most. */
  primaryRows: number;
  /** Those for its position. */
  primaryOthers: number;
  replica: number;
}

export interface Urls {
  readonly primary: string;
  readonly replica: string;
}

type Client = Kysely<Database>;
type Find = (db: Client) => Promise<Found | undefined>;

interface Clients {
  readonly primary: Client;
  readonly replica: Client;
}

/** The longest wait, which is the default of the ladder. */
export const WINDOW_MS = 200;
const STICKY_MS = 2_000;
const POOL = { max: 8 };
const nothing = () => {};

export const REPLICA_ONLY = "replica only: Drizzle's withReplicas";
export const PRIMARY_ONLY = 'always the primary';

/** Each is opened anew for each profile, so that none has learnt from another one. */
export function openPolicies(urls: Urls): Policy[] {
  return [
    replicaOnly(urls),
    replicationDialect(urls),
    policy(PRIMARY_ONLY, urls, ({ primary }) => ({ read: (find) => find(primary) })),
    policy('sticky primary for 2 s', urls, sticky),
    policy('one blind retry', urls, (clients) => {
      const read = ladder(clients);
      return { read: (find) => read(find) };
    }),
    policy('catch-up', urls, (clients) => {
      const read = informed(clients);
      return { read: (find) => read(find) };
    }),
    policy('session', urls, (clients) => {
      const read = informed(clients);
      const sessions = new Map<number, CausalSession<Client>>();
      const sessionOf = (user: number) => {
        const session = sessions.get(user) ?? createCausalSession(read);
        sessions.set(user, session);
        return session;
      };
      return {
        read: (find, user) => sessionOf(user).read(find),
        wrote: (user) => sessionOf(user).wrote(),
      };
    }),
    policy("strong: after 'now'", urls, (clients) => {
      const read = informed(clients);
      return { read: (find) => read(find, { after: 'now' }) };
    }),
  ];
}

function ladder(clients: Clients): ReplicaFallback<Client> {
  return createReplicaFallback({ ...clients, isUnavailable: replicaUnavailable });
}

function informed(clients: Clients): ReplicaFallback<Client> {
  const catchUp = walCatchUp();
  return createReplicaFallback({ ...clients, isUnavailable: replicaUnavailable, catchUp });
}

function sticky({ primary, replica }: Clients): Reads {
  const wroteAt = new Map<number, number>();
  return {
    read(find, user) {
      const isSticky = performance.now() - (wroteAt.get(user) ?? -Infinity) < STICKY_MS;
      return find(isSticky ? primary : replica);
    },
    wrote: (user) => void wroteAt.set(user, performance.now()),
  };
}

interface Reads {
  read(find: Find, user: number): Promise<Found | undefined>;
  wrote?(user: number): void;
}

function policy(name: string, urls: Urls, create: (clients: Clients) => Reads): Policy {
  const counts: QueryCounts = { primaryRows: 0, primaryOthers: 0, replica: 0 };
  const primary = connect<Database>(urls.primary, POOL, (query) => countPrimary(counts, query));
  const replica = connect<Database>(urls.replica, POOL, () => counts.replica++);
  const reads = create({ primary, replica });
  return {
    name,
    counts,
    find: (id, user) => reads.read((db) => findOrder(db, id), user),
    wrote: (user) => reads.wrote?.(user),
    async end() {
      await Promise.all([primary.destroy(), replica.destroy()]);
    },
  };
}

function countPrimary(counts: QueryCounts, query: string): void {
  if (query.includes('bench_orders')) counts.primaryRows++;
  else counts.primaryOthers++;
}

function findOrder(db: Client, id: string): Promise<Found | undefined> {
  return db.selectFrom('bench_orders').select('version').where('id', '=', id).executeTakeFirst();
}

/** What other packages do is to read from a replica, always. */
function replicaOnly(urls: Urls): Policy {
  const counts: QueryCounts = { primaryRows: 0, primaryOthers: 0, replica: 0 };
  const orders = pgTable('bench_orders', {
    id: text().primaryKey(),
    version: integer().notNull(),
  });
  const pools = [urls.primary, urls.replica].map(
    (connectionString) => new Pool({ connectionString, ...POOL }),
  ) as [Pool, Pool];
  const logQuery = () => counts.replica++;
  const db = withReplicas(
    drizzle({ client: pools[0], logger: { logQuery: (query) => countPrimary(counts, query) } }),
    [drizzle({ client: pools[1], logger: { logQuery } })],
  );
  return {
    name: REPLICA_ONLY,
    counts,
    async find(id) {
      const [order] = await db
        .select({ version: orders.version })
        .from(orders)
        .where(eq(orders.id, id));
      return order;
    },
    wrote: nothing,
    async end() {
      await Promise.all(pools.map((pool) => pool.end()));
    },
  };
}

/** The same, by Kysely's own package. */
function replicationDialect(urls: Urls): Policy {
  const counts: QueryCounts = { primaryRows: 0, primaryOthers: 0, replica: 0 };
  const db = new Kysely<Database>({
    dialect: new KyselyReplicationDialect({
      primaryDialect: dialectOf(urls.primary),
      replicaDialects: [dialectOf(urls.replica)],
      replicaStrategy: new RoundRobinReplicaStrategy({}),
    }),
    log: () => void counts.replica++, // it sends no read elsewhere
  });
  return {
    name: 'replica only: kysely-replication',
    counts,
    find: (id) => findOrder(db, id),
    wrote: nothing,
    end: () => db.destroy(),
  };
}

function dialectOf(connectionString: string): PostgresDialect {
  return new PostgresDialect({ pool: new Pool({ connectionString, ...POOL }) });
}
