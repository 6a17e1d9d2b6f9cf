import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as core from 'kysely-replica-fallback';
import type * as catchUp from 'kysely-replica-fallback/catch-up';
import type * as postgres from 'kysely-replica-fallback/postgres';
import { expect, inject, test } from 'vitest';

/** A copy of the package, as npm installs one for each of two packages that need it. */
interface Copy {
  readonly core: typeof core;
  readonly catchUp: typeof catchUp;
  readonly postgres: typeof postgres;
}

const one = await load('one');
const other = await load('other');
const newer = await load('newer', '0.2.0');

async function load(name: string, version?: string): Promise<Copy> {
  const dist = join(inject('built'), 'copies', name);
  await cp(join(inject('built'), 'dist'), dist, { recursive: true });
  if (version !== undefined) {
    const names = join(dist, 'telemetry-names.js');
    const text = await readFile(names, 'utf8');
    await writeFile(names, text.replace(/version: '[^']+'/, `version: '${version}'`));
  }
  const entry = (path: string) => import(pathToFileURL(join(dist, path, 'index.js')).href);
  return {
    core: await entry('.'),
    catchUp: await entry('catch-up'),
    postgres: await entry('postgres'),
  };
}

/** How the copies are mixed: who reads, and who says what has been replayed. */
const MIXTURES = [
  ['of one copy', one, one],
  ['of one copy with a catch-up of another one', one, other],
  ['of the other copy with a catch-up of the first one', other, one],
] as const;

/** A server with a counter. */
class Server {
  has = 0;
  asked = 0;
  isPrimary = true;
}

function sourceOf({ core }: Copy) {
  const numberOf = (position: string) => {
    if (!/^\d+$/.test(position)) throw new core.InvalidPositionError(position);
    return Number(position);
  };
  return {
    async position(primary: Server) {
      primary.asked++;
      if (!primary.isPrimary) throw new core.NotPrimaryError();
      return String(primary.has);
    },
    replayed: async (replica: Server) => String(replica.has),
    compare: (replayed: string, position: string) =>
      numberOf(replayed) >= numberOf(position) ? ('reached' as const) : ('behind' as const),
    async runAt<T>(replica: Server, position = '0', query: (db: Server) => Promise<T>) {
      if (replica.has < numberOf(position)) throw new core.ReplicaBehindError('behind');
      return query(replica);
    },
  };
}

function reader(reads: Copy, knows: Copy) {
  const primary = new Server();
  const replica = new Server();
  const catchUp = knows.catchUp.createCatchUp<Server>(sourceOf(knows));
  const read = reads.core.createReplicaFallback({
    primary,
    replica,
    catchUp,
    isMiss: (value: unknown) => value === undefined,
    retryMs: 1,
  });
  return { primary, replica, catchUp, read };
}

const see = async (db: Server) => db.has;
/** Its row is there from the first write on. */
const find = async (db: Server) => (db.has > 0 ? 'a row' : undefined);

test.for(MIXTURES)('reads %s take no position from before they began', async ([, reads, knows]) => {
  const { primary, replica, read } = reader(reads, knows);
  for (let written = 1; written <= 20; written++) {
    primary.has = written;
    expect(await read(see, { after: 'now' })).toBe(written);
    replica.has = written;
  }
});

test.for(MIXTURES)('reads %s find what exists', async ([, reads, knows]) => {
  for (let each = 0; each < 20; each++) {
    const { primary, read } = reader(reads, knows);
    expect(await read(find)).toBeUndefined();
    primary.has = 1;
    expect(await read(find)).toBe('a row');
  }
});

test.for(MIXTURES)(
  'reads %s go on when a replica is behind a position',
  async ([, reads, knows]) => {
    const { primary, read } = reader(reads, knows);
    primary.has = 2;
    expect(await read(see, { after: '2' })).toBe(2);
  },
);

test.for(MIXTURES)('reads %s reject with what every copy knows', async ([, reads, knows]) => {
  const { primary, read } = reader(reads, knows);
  primary.isPrimary = false;
  const session = reads.postgres.createCausalSession(read);
  session.wrote();
  const notPrimary: unknown = await session.position().catch((error: unknown) => error);
  const invalid: unknown = await read(see, { after: '?' }).catch((error: unknown) => error);

  for (const { core } of [one, other]) {
    expect(notPrimary).toBeInstanceOf(core.NotPrimaryError);
    expect(invalid).toBeInstanceOf(core.InvalidPositionError);
    expect(invalid).not.toBeInstanceOf(core.NotPrimaryError);
  }
});

test.for([
  ['the same', one, one],
  ['the other', one, other],
] as const)('sessions are made by %s copy', async ([, reads, sessions]) => {
  const { primary, replica, read } = reader(reads, reads);
  const session = sessions.postgres.createCausalSession(read);
  primary.has = 3;
  session.wrote();
  expect(await session.read(see)).toBe(3);
  expect(await session.position()).toBe('3');
  replica.has = 3;
  expect(await session.read(see)).toBe(3);
  const ignoring = { position: '?', invalidPosition: 'ignore' } as const;
  expect(() => sessions.postgres.createCausalSession(read, ignoring)).not.toThrow();
});

test('what is known of a database is shared by the copies, as are shared queries', async () => {
  const asked: string[] = [];
  const pool = {
    totalCount: 1,
    async query(sql: string) {
      asked.push(sql);
      return { rows: [{ text: '0123456789ab-3000148' }] };
    },
    async connect() {
      return {
        query: (sql: string) => pool.query(sql),
        setTypeParser: () => {},
        on: () => {},
        removeListener: () => {},
        release: () => {},
      };
    },
  };
  const replica = { ...pool, query: async () => ({ rows: [] }) };
  const answer = Promise.withResolvers<undefined>();
  let spills = 0;
  const reads = [one, other].map(({ core, postgres }) =>
    core.withReplicaFallback(
      async (db) => {
        if (db !== pool) return undefined;
        spills++;
        return answer.promise;
      },
      {
        primary: pool,
        replica,
        catchUp: postgres.walCatchUp(),
        retryMs: 1,
        operation: 'find',
        coalesceKey: '1',
      },
    ),
  );

  await expect.poll(() => spills).toBe(1);
  answer.resolve(undefined);
  await Promise.all(reads);

  expect(asked.filter((sql) => sql.includes('pg_current_wal_insert_lsn'))).toHaveLength(1);
  expect(spills).toBe(1);
});

test('classifiers of one copy work in the other', async () => {
  const { core } = other;
  const primary = new Server();
  const options = { primary, replica: new Server(), retryMs: 1 };
  class Nowhere extends Error {}
  const findOrThrow = async (db: Server) => {
    if (db.has === 0) throw new Nowhere();
    return db.has;
  };
  primary.has = 1;

  const isMiss = one.core.anyOf(core.thrown(Nowhere), core.noRow);
  expect(await one.core.withReplicaFallback(findOrThrow, { ...options, isMiss })).toBe(1);
  expect(await core.withReplicaFallback(findOrThrow, { ...options, isMiss })).toBe(1);
  const misplaced = { ...options, isUnavailable: core.noRow as never };
  await expect(one.core.withReplicaFallback(see, misplaced)).rejects.toThrow('`isUnavailable`');
});

test('errors of one copy are instances in the other, those of their classes alone', () => {
  class Own extends one.core.NotPrimaryError {}
  const error = new one.core.NotPrimaryError();
  expect(error).toBeInstanceOf(other.core.NotPrimaryError);
  expect(error).not.toBeInstanceOf(Own);
  expect(new Own()).toBeInstanceOf(Own);
  expect(new Own()).toBeInstanceOf(other.core.NotPrimaryError);
  expect(new Error('other')).not.toBeInstanceOf(one.core.NotPrimaryError);
  for (const value of [undefined, null, 'text', Object.create(null)]) {
    expect(value instanceof one.core.NotPrimaryError).toBe(false);
  }
});

test('a catch-up of another version is refused, with both versions', () => {
  const catchUp = newer.catchUp.createCatchUp<Server>(sourceOf(newer));
  const options = { primary: new Server(), replica: new Server(), catchUp };
  const create = () => one.core.createReplicaFallback(options);
  expect(create).toThrow(one.core.InvalidOptionError);
  expect(create).toThrow(
    'Expected `catchUp` to be by the same version of kysely-replica-fallback (0.1.0), got one by version 0.2.0.',
  );
});

test('a read of another version is refused in a session, with both versions', () => {
  const { read } = reader(newer, newer);
  const create = () => one.postgres.createCausalSession(read);
  expect(create).toThrow(one.core.InvalidOptionError);
  expect(create).toThrow(
    'Expected `read` to be by the same version of kysely-replica-fallback (0.1.0), got one by version 0.2.0.',
  );
});

test('two versions that keep to themselves read side by side', async () => {
  const readers = [reader(one, one), reader(newer, newer)];
  for (let written = 1; written <= 20; written++) {
    for (const { primary, read } of readers) {
      primary.has = written;
      expect(await read(see, { after: 'now' })).toBe(written);
    }
  }
});
