import {
  type CatchUp,
  createReplicaFallback,
  InvalidPositionError,
  ReplicaBehindError,
} from 'kysely-replica-fallback';
import { createCatchUp, type PositionSource, type Reach } from 'kysely-replica-fallback/catch-up';
import {
  createCausalSession,
  type PgPool,
  walCatchUp,
  type WalCatchUpOptions,
} from 'kysely-replica-fallback/postgres';
import { gtidCatchUp } from 'kysely-replica-fallback/mysql';
import { expect, test } from 'vitest';

/** A server with a counter, of which each source has a notation of its own. */
class Server {
  has = 0;
  /** Who asked for its position, in order. */
  readonly asked: string[] = [];
}

class CountingSource implements PositionSource<Server> {
  readonly prefix: string;

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  async position(primary: Server): Promise<string> {
    primary.asked.push(this.prefix);
    return `${this.prefix}${primary.has}`;
  }

  async replayed(replica: Server): Promise<string> {
    replica.asked.push(this.prefix);
    return `${this.prefix}${replica.has}`;
  }

  compare(replayed: string, position: string): Reach {
    return this.#numberOf(replayed) >= this.#numberOf(position) ? 'reached' : 'behind';
  }

  async runAt<T>(replica: Server, position: string | undefined, query: (db: Server) => Promise<T>) {
    const needed = position === undefined ? 0 : this.#numberOf(position);
    if (replica.has < needed) throw new ReplicaBehindError('behind');
    return query(replica);
  }

  #numberOf(position: string): number {
    if (!position.startsWith(this.prefix)) throw new InvalidPositionError(position);
    return Number(position.slice(this.prefix.length));
  }
}

const see = async (db: Server) => db.has;
const nowhere = async () => undefined;
const isUndefined = (found: unknown) => found === undefined;

/** Two ways to read from the same clients. */
function twoReaders() {
  const primary = new Server();
  const replica = new Server();
  const [one, other] = ['a', 'b'].map((prefix) =>
    createReplicaFallback({
      primary,
      replica,
      catchUp: createCatchUp(new CountingSource(prefix)),
      isMiss: () => false,
      retryMs: 1,
    }),
  );
  return { primary, replica, one: one!, other: other! };
}

test('concurrent reads with two sources each ask by their own', async () => {
  const { primary, replica, one, other } = twoReaders();
  primary.has = replica.has = 3;

  const reads = [one, other, one, other].map((read) => read(see, { after: 'now' }));

  expect(await Promise.all(reads)).toEqual([3, 3, 3, 3]);
  expect(new Set(primary.asked)).toEqual(new Set(['a', 'b']));
});

test('a position of one source is accepted although the other one has asked for positions', async () => {
  const { primary, replica, one, other } = twoReaders();
  primary.has = replica.has = 1;
  await other(see, { after: 'now' });
  primary.has = 2;

  expect(await one(see, { after: 'a2' })).toBe(2);
  expect(await other(see, { after: 'b2' })).toBe(2);
});

test('a session gives a position of its own source, and not what another one asked for meanwhile', async () => {
  const { one, other } = twoReaders();
  const session = createCausalSession(one);
  session.wrote();
  await session.read(async (db) => {
    await other(see, { after: 'now' });
    return db.has;
  });

  expect(await session.position()).toBe('a0');
});

test('a session of one source reads after a session of the other one did', async () => {
  const { primary, replica, one, other } = twoReaders();
  primary.has = replica.has = 1;
  const sessions = [createCausalSession(one), createCausalSession(other)];
  for (const session of sessions) session.wrote();

  for (const session of [...sessions, ...sessions]) expect(await session.read(see)).toBe(1);
  expect(await Promise.all(sessions.map((session) => session.position()))).toEqual(['a1', 'b1']);
});

test('a watch over a replica is not shared by two sources, whose waits end by their own positions', async () => {
  const { primary, replica, one, other } = twoReaders();
  primary.has = 1;
  const reads = [one, other].map((read) => read(see, { after: 'now', retryMs: 20_000 }));
  await expect.poll(() => new Set(replica.asked)).toEqual(new Set(['a', 'b']));
  replica.has = 1;

  expect(await Promise.all(reads)).toEqual([1, 1]);
});

/** Reads what is nowhere, by each of these at once. */
function missTogether<Client>(
  primary: Client,
  replica: Client,
  catchUps: readonly CatchUp<Client>[],
) {
  return Promise.all(
    catchUps.map((catchUp) => createReplicaFallback({ primary, replica, catchUp })(nowhere)),
  );
}

test('two catch-ups of one source share what is known of a database', async () => {
  const primary = new Server();
  const source = new CountingSource('a');

  await missTogether(primary, new Server(), [createCatchUp(source), createCatchUp(source)]);

  expect(primary.asked).toEqual(['a']);
});

test('two equal sources of the caller share nothing: nobody else knows whether they are equal', async () => {
  const primary = new Server();
  const catchUps = ['a', 'a'].map((prefix) => createCatchUp(new CountingSource(prefix)));

  await missTogether(primary, new Server(), catchUps);

  expect(primary.asked).toEqual(['a', 'a']);
});

test('sessions share positions with the reads that they are made of', async () => {
  const { primary, one } = twoReaders();
  const sessions = [createCausalSession(one), createCausalSession(one)];

  await Promise.all([
    one(nowhere, { isMiss: isUndefined }),
    ...sessions.map((session) => session.read(nowhere, { isMiss: isUndefined })),
  ]);

  expect(primary.asked).toEqual(['a']);
});

/** A pool of pg to a server that says nothing but where it is. */
class PlayedPool implements PgPool {
  readonly totalCount = 1;
  readonly asked: string[] = [];

  query = async (sql: string) => {
    this.asked.push(sql);
    return { rows: [{ text: '0123456789ab-3000148' }] };
  };

  async connect() {
    const { query } = this;
    return {
      query,
      setTypeParser: () => {},
      on: () => {},
      removeListener: () => {},
      release: () => {},
    };
  }
}

test.for<[string, WalCatchUpOptions, WalCatchUpOptions, number]>([
  ['equal options share', {}, {}, 1],
  ['another `pin`, which changes no position, share', {}, { pin: 'connection' }, 1],
  ['and without asynchronous commits do not share', { asynchronousCommits: true }, {}, 2],
  ['asynchronous commits share', { asynchronousCommits: true }, { asynchronousCommits: true }, 1],
])('two `walCatchUp()` with %s position queries', async ([, first, second, queries]) => {
  const primary = new PlayedPool();

  await missTogether(primary, new PlayedPool(), [walCatchUp(first), walCatchUp(second)]);

  const positions = primary.asked.filter((sql) => sql.includes('pg_current_wal_insert_lsn'));
  expect(positions).toHaveLength(queries);
});

test('two `gtidCatchUp()` on one database share position queries', async () => {
  const asked: string[] = [];
  const pool = (isReadOnly: 0 | 1) => {
    const query = async (sql: string) => {
      if (isReadOnly === 0) asked.push(sql);
      return [[`mariadb;1;1;0-1-3;0-1-3;${isReadOnly}`]];
    };
    return {
      query,
      getConnection: async () => ({ query, release: () => {}, destroy: () => {} }),
    };
  };

  await missTogether(pool(0), pool(1), [gtidCatchUp(), gtidCatchUp({ pin: 'connection' })]);

  expect(asked).toHaveLength(1);
});

test('`walCatchUp()` and a source of the caller on one pool share nothing', async () => {
  const primary = new PlayedPool();
  const own = createCatchUp<PgPool>({
    position: async (db) => {
      await db.query('select mine');
      return '1';
    },
    replayed: async () => '1',
    databaseOf: (db) => db,
    compare: (replayed, position) => (Number(replayed) >= Number(position) ? 'reached' : 'unknown'),
    runAt: (db, _position, query) => query(db),
  });

  await missTogether<PgPool>(primary, new PlayedPool(), [walCatchUp(), own]);

  expect(primary.asked.filter((sql) => sql !== 'select mine')).toHaveLength(1);
  expect(primary.asked).toHaveLength(2);
});
