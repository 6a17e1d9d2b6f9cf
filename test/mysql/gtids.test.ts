import { setTimeout as sleep } from 'node:timers/promises';
import { InvalidPositionError } from 'kysely-replica-fallback';
import { gtidPosition } from 'kysely-replica-fallback/mysql';
import mysql from 'mysql2/promise';
import { describe, expect, onTestFinished, test } from 'vitest';
import { compareGtidPositions } from '../../src/mysql/gtid-position.ts';
import { readReplayed } from '../../src/mysql/server-gtids.ts';
import { BRANDS, type Brand } from '../support/mysql/brands.ts';
import { openKysely, openMariadb, openMysql2 } from '../support/mysql/clients.ts';
import type { DatabaseServer } from '../support/mysql/database-server.ts';
import { startGtidCluster } from '../support/mysql/gtid-cluster.ts';
import { onEachBrand } from '../support/mysql/on-each-brand.ts';

const TIMEOUT_MS = 120_000;

const poolOf = (server: DatabaseServer) => openMysql2(server.connectionString);

onEachBrand((cluster, brand) => {
  test.for<[string, object]>([
    ['typeCast: false', { typeCast: false }],
    ['the character set binary', { charset: 'binary' }],
  ])('mysql2 gives a position with %s', async ([, options]) => {
    const { primary, replicas } = cluster();
    await primary.ask('create table if not exists numbers (id int primary key)');
    await replicas[0].catchUp();
    const open = ({ connectionString: uri }: DatabaseServer) => {
      const pool = mysql.createPool({ uri, ...options });
      onTestFinished(() => pool.end());
      return pool;
    };
    const position = await gtidPosition(open(primary));
    expect(position).toBe(await gtidPosition(poolOf(primary)));
    expect(compareGtidPositions((await readReplayed(open(replicas[0]))) ?? '', position)).toBe(
      'reached',
    );
  });

  test.for([
    { client: 'Kysely', open: openKysely },
    { client: 'mysql2', open: openMysql2 },
    { client: 'mariadb', open: openMariadb },
  ])('$client asks where servers are', async ({ open }) => {
    const { primary, replicas } = cluster();
    await primary.ask('create table if not exists numbers (id int primary key)');
    const position = await gtidPosition(open(primary.connectionString));
    await replicas[0].catchUp();

    const replayed = await readReplayed(open(replicas[0].connectionString));

    expect(replayed).toBe(position);
  });

  test('a replica that does not apply is behind, until it does', async () => {
    const { primary, replicas } = cluster();
    const [replica] = replicas;
    const reach = async () =>
      compareGtidPositions((await readReplayed(poolOf(replica))) ?? '', position);
    await replica.catchUp();
    await replica.holdBack();
    await primary.ask('create table if not exists later (id int primary key)');
    await primary.ask('insert into later values (1)');
    const position = await gtidPosition(poolOf(primary));

    expect(await reach()).toBe('behind');
    await replica.goOn();
    await replica.catchUp();

    expect(await reach()).toBe('reached');
  });

  test('a position has no number that its server would refuse', async () => {
    const { wait, errno, highest, beyond } = BOUNDS[brand];
    const ask = (gtids: string) =>
      cluster().replicas[0].ask(`select ${wait}(?, 0.01)`, gtids.replaceAll('.', ':'));

    await expect(ask(highest)).resolves.toHaveLength(1);
    expect(compareGtidPositions(highest, highest)).toBe('reached');
    for (const gtids of beyond) {
      await expect(ask(gtids)).rejects.toMatchObject({ errno });
      expect(() => compareGtidPositions(gtids, gtids)).toThrow(InvalidPositionError);
    }
  });
});

const UUID = '3e11fa47-71ca-11e1-9e33-c80aa9429562';

/** The highest numbers that each server knows, and the next. */
const BOUNDS = {
  MariaDB: {
    wait: 'master_gtid_wait',
    errno: 1941,
    highest: '4294967295-4294967295-18446744073709551615',
    beyond: ['4294967296-1-5', '0-4294967296-5', '0-1-18446744073709551616'],
  },
  MySQL: {
    wait: 'wait_for_executed_gtid_set',
    errno: 1772,
    highest: `${UUID}.9223372036854775806`,
    beyond: [`${UUID}.9223372036854775807`],
  },
};

const MARIADB = 'MariaDB';

/** Each is tested on servers of its own, which it changes. */
describe.for(BRANDS)('after a failover of $brand', ({ brand, obstacle }) => {
  test(
    'the promoted replica names no position that it would have as a replica, and the others follow',
    { timeout: TIMEOUT_MS },
    async ({ skip }) => {
      skip(obstacle !== undefined, obstacle);
      await using cluster = await startGtidCluster(brand, { replicas: 2 });
      const { primary, replicas } = cluster;
      const [promoted, follower] = replicas;
      if (follower === undefined) throw new Error('There is one replica.');
      await primary.ask('create table numbers (id int primary key)');
      await Promise.all(replicas.map((replica) => replica.catchUp()));
      const before = await gtidPosition(poolOf(primary));

      await promoted.promote();
      await promoted.ask('insert into numbers values (1)');
      const after = await gtidPosition(poolOf(promoted));
      const isolated = (await readReplayed(poolOf(follower))) ?? '';
      // The old primary, which nobody has told, goes on.
      await primary.ask('insert into numbers values (2)');
      await primary.ask('insert into numbers values (3)');
      await follower.catchUp();
      const diverged = (await readReplayed(poolOf(follower))) ?? '';

      expect(compareGtidPositions(isolated, before)).toBe('reached');
      expect(compareGtidPositions(isolated, after)).toBe('behind');
      expect(compareGtidPositions(diverged, after)).not.toBe('reached');
      const replayed = await readReplayed(poolOf(promoted));
      // A set is what a server has, whatever it is.
      expect(replayed).toBe(brand === MARIADB ? undefined : after);
    },
  );

  test(
    'a replica of the new primary has what that has made',
    { timeout: TIMEOUT_MS },
    async ({ skip }) => {
      skip(obstacle !== undefined, obstacle);
      await using cluster = await startGtidCluster(brand, { replicas: 2 });
      const { primary, replicas } = cluster;
      const [promoted, follower] = replicas;
      if (follower === undefined) throw new Error('There is one replica.');
      await primary.ask('create table numbers (id int primary key)');
      await Promise.all(replicas.map((replica) => replica.catchUp()));
      await promoted.promote();
      await follower.follow(promoted);
      await promoted.ask('insert into numbers values (1)');
      const after = await gtidPosition(poolOf(promoted));
      await follower.catchUp();

      const replayed = (await readReplayed(poolOf(follower))) ?? '';

      expect(compareGtidPositions(replayed, after)).toBe('reached');
    },
  );
});

describe('on MariaDB', () => {
  const { obstacle } = BRANDS.find(({ brand }) => brand === MARIADB) ?? {};

  test('each domain of a primary counts', { timeout: TIMEOUT_MS }, async ({ skip }) => {
    skip(obstacle !== undefined, obstacle);
    await using cluster = await startGtidCluster(MARIADB);
    const { primary, replicas } = cluster;
    const [replica] = replicas;
    await primary.ask('create table numbers (id int primary key)');
    const other = await mysql.createConnection(primary.connectionString);
    await other.query('set session gtid_domain_id = 7');
    await other.query('insert into numbers values (1)');
    await replica.catchUp();
    await replica.holdBack();
    const reachOf = async () =>
      compareGtidPositions((await readReplayed(poolOf(replica))) ?? '', position);

    let position = await gtidPosition(poolOf(primary));
    expect(position).toMatch(/^0-1-\d+\.7-1-1$/);
    expect(await primary.ask('select @@global.gtid_current_pos')).toEqual(
      await primary.ask('select @@global.gtid_binlog_pos'),
    );
    expect(await reachOf()).toBe('reached');
    await other.query('insert into numbers values (2)');
    await other.end();
    position = await gtidPosition(poolOf(primary));

    expect(await reachOf()).toBe('behind');
  });

  test(
    'a replica that logs no updates does not tell what it shows',
    { timeout: TIMEOUT_MS },
    async ({ skip }) => {
      skip(obstacle !== undefined, obstacle);
      await using cluster = await startGtidCluster(MARIADB, {
        settings: ['--log-slave-updates=0'],
      });
      const { primary, replicas } = cluster;
      await primary.ask('create table numbers (id int primary key)');
      const position = await gtidPosition(poolOf(primary));
      await replicas[0].catchUp();

      const replayed = (await readReplayed(poolOf(replicas[0]))) ?? '';

      expect(replayed).toBe(`${position}~`);
      expect(compareGtidPositions(replayed, position)).toBe('reached');
      expect(compareGtidPositions(replayed, replayed)).toBe('unknown');
    },
  );

  test(
    'a primary that was one before has what it has applied since, and did not log',
    { timeout: TIMEOUT_MS },
    async ({ skip }) => {
      skip(obstacle !== undefined, obstacle);
      await using cluster = await startGtidCluster(MARIADB, {
        settings: ['--log-slave-updates=0'],
      });
      const { primary, replicas } = cluster;
      const [replica] = replicas;
      await primary.ask('create table numbers (id int primary key)');
      await replica.catchUp();
      await replica.promote();
      await replica.ask('insert into numbers values (1)');
      await replica.follow(primary);
      await primary.ask('insert into numbers values (2)');
      await primary.ask('insert into numbers values (3)');
      await replica.catchUp();

      await replica.promote();

      const position = await gtidPosition(poolOf(replica));
      // And it is the heir, which has written nothing since.
      expect(position).toBe(`${await gtidPosition(poolOf(primary))}_2`);
    },
  );
});

describe('on MySQL', () => {
  const { obstacle } = BRANDS.find(({ brand }) => brand === 'MySQL') ?? {};

  test(
    'a server names what it is at, of several servers and tags, too',
    { timeout: TIMEOUT_MS },
    async ({ skip }) => {
      skip(obstacle !== undefined, obstacle);
      await using cluster = await startGtidCluster('MySQL');
      const { primary } = cluster;
      const pool = poolOf(primary);
      await primary.ask('create table numbers (id int primary key)');
      const done = await gtidPosition(pool);
      const [one, other] = ['00000000-0000-0000-0000-000000000001', UUID_OF_DIGITS];

      for (const gtid of [`${one}:7`, `${one}:red:5`, `${other}:3`, `${other}:4`]) {
        const connection = await pool.getConnection();
        await connection.query(`set gtid_next = '${gtid}'`); // from then on, the connection is at it
      }

      const expected = [`${one}.7`, `${one}.red.5`, `${other}.3-4`, done].toSorted().join('.');
      expect(await gtidPosition(pool)).toBe(expected);
    },
  );

  test(
    'a server whose transactions get no GTIDs has no position',
    { timeout: TIMEOUT_MS },
    async ({ skip }) => {
      skip(obstacle !== undefined, obstacle);
      await using cluster = await startGtidCluster('MySQL');
      const { primary } = cluster;
      await primary.ask('create table numbers (id int primary key)');
      await expect(gtidPosition(poolOf(primary))).resolves.toMatch(/\.1$/);

      await primary.ask('set global gtid_mode = on_permissive');
      await primary.ask('set global gtid_mode = off_permissive');
      await primary.ask('insert into numbers values (1)');

      await expect(gtidPosition(poolOf(primary))).rejects.toThrow('The primary gave no GTIDs.');
      await expect(readReplayed(poolOf(primary))).resolves.toBeUndefined();
    },
  );
});

/** Its beginning could be more of the number of a thread. */
const UUID_OF_DIGITS = '10000000-0000-0000-0000-000000000002';

const APPLIERS: readonly { brand: Brand['brand']; appliers: string; settings: string[] }[] = [
  { brand: MARIADB, appliers: 'one applier', settings: [] },
  {
    brand: MARIADB,
    appliers: 'four appliers',
    settings: ['--slave-parallel-threads=4', '--slave-parallel-mode=optimistic'],
  },
  { brand: 'MySQL', appliers: 'four appliers', settings: ['--replica-parallel-workers=4'] },
];

const WATCHED_MS = 5_000;
/** Until a replica was seen that tells of more than it counts. */
const MOST_WATCHED_MS = 60_000;

test.for(APPLIERS)(
  'a replica of $brand with $appliers counts no more than it shows, and tells of all that it shows',
  { timeout: TIMEOUT_MS },
  async ({ brand, settings }, { skip }) => {
    const { obstacle } = BRANDS.find((each) => each.brand === brand) ?? {};
    skip(obstacle !== undefined, obstacle);
    await using cluster = await startGtidCluster(brand, { settings });
    const { primary, replicas } = cluster;
    const [replica] = replicas;
    await primary.ask('create table numbers (id int primary key auto_increment, n int)');
    const start = sequencesOf(await gtidPosition(poolOf(primary))).shown;
    await replica.catchUp();
    const writing = new AbortController();
    const pool = poolOf(primary);
    const writers = Array.from({ length: 4 }, async () => {
      while (!writing.signal.aborted) await pool.query('insert into numbers (n) values (1)');
    });
    onTestFinished(() => writing.abort());
    const one = await mysql.createConnection(replica.connectionString);
    const asClient = { query: (sql: string) => one.query(sql), getConnection: neverCalled };
    const wrong: object[] = [];
    let told = 0;

    const began = performance.now();
    const isOver = (): boolean =>
      performance.now() - began > (told > 0 ? WATCHED_MS : MOST_WATCHED_MS);
    while (!isOver()) {
      const before = sequencesOf((await readReplayed(asClient)) ?? '');
      const [rows] = await one.query<mysql.RowDataPacket[]>('select count(*) as n from numbers');
      const after = sequencesOf((await readReplayed(asClient)) ?? '');
      const seen = start + Number(rows[0]?.['n']);
      if (before.counted > seen || after.shown < seen) wrong.push({ before, seen, after });
      if (after.shown > after.counted) told++;
      await sleep(0);
    }

    writing.abort();
    await Promise.all(writers);
    await one.end();
    expect(wrong).toEqual([]);
    expect(told).toBeGreaterThan(0);
  },
);

async function neverCalled(): Promise<never> {
  throw new Error('This client is a connection.');
}

/** Of one server's transactions without a gap, how many count, and how many may be seen. */
function sequencesOf(position: string) {
  const [counted = 0, shown = counted] = position
    .split('~')
    .map((gtids) => Number(/\d+$/.exec(gtids)?.[0]));
  return { counted, shown };
}
