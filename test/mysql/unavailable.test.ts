import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { connectionLost, replicaUnavailable, schemaBehind } from 'kysely-replica-fallback/mysql';
import mysql from 'mysql2/promise';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { CLIENTS } from '../support/mysql/clients.ts';
import { onEachBrand } from '../support/mysql/on-each-brand.ts';

/** What the query rejects with. */
async function errorOf(query: Promise<unknown>): Promise<unknown> {
  const [result] = await Promise.allSettled([query]);
  if (result.status === 'rejected') return result.reason;
  throw new Error('The query went well.');
}

/** Which of the classifiers know the error. */
function kindsOf(error: unknown): string[] {
  const classifiers = { connectionLost, schemaBehind };
  const kinds = Object.entries(classifiers).filter(([, isOne]) => isOne(error));
  expect(replicaUnavailable(error)).toBe(kinds.length > 0);
  return kinds.map(([kind]) => kind);
}

/** Each kind of those that failed, once, or the error that is of none. */
function kindsOfAll(results: readonly PromiseSettledResult<unknown>[]): unknown[] {
  const errors = results.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
  return [...new Set(errors.map((error: unknown) => kindsOf(error)[0] ?? error))];
}

/** Of more rows than one: MySQL answers the first in spite of all. */
const SLEEP = 'select sleep(60), id from numbers';

onEachBrand((cluster, brand) => {
  const replica = () => cluster().replicas[0];

  /** Resolves with the connection that sleeps. */
  const findSleeping = async (): Promise<string> => {
    let ids: unknown[] = [];
    const find = async () => {
      ids = await replica().ask(
        `select id from information_schema.processlist where info like 'select sleep(60)%'`,
      );
      return ids.length;
    };
    await expect.poll(find).toBe(1);
    return String(ids[0]);
  };

  const createNumbers = async () => {
    await cluster().primary.ask('create table if not exists numbers (id int primary key)');
    await cluster().primary.ask('insert ignore into numbers values (1), (2), (3)');
    await replica().catchUp();
  };

  /** Locks a table, and gives a way to query it many times, where nothing goes on before one query has failed. */
  const lockNumbers = async () => {
    await createNumbers();
    const holder = await mysql.createConnection(replica().connectionString);
    const unlock = () => holder.destroy();
    onTestFinished(unlock);
    await holder.query('lock tables numbers write');
    return async (count: number, run: (sql: string) => Promise<unknown>) => {
      const runs = Array.from({ length: count }, () => run('select id from numbers'));
      await Promise.all(runs).catch(unlock);
      return Promise.allSettled(runs);
    };
  };

  describe.for(CLIENTS)('with $client', ({ open }) => {
    /** Lets something happen to the replica while a query runs there, and gives what the query rejects with. */
    const errorWhileSleeping = async (happen: (id: string) => Promise<unknown>) => {
      await createNumbers();
      const sleeping = errorOf(open(replica().connectionString)(SLEEP));
      await happen(await findSleeping());
      return sleeping;
    };

    test('a connection that is refused is lost', async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      await new Promise((closed) => server.close(closed));

      const run = open(`mysql://service@127.0.0.1:${port}/service`, { isImpatient: true });

      expect(kindsOf(await errorOf(run('select 1')))).toEqual(['connectionLost']);
    });

    test('a connection that is killed is lost', async () => {
      const error = await errorWhileSleeping((id) => replica().ask(`kill ${id}`));
      expect(kindsOf(error)).toEqual(['connectionLost']);
    });

    test('a connection under which the server shuts down is lost', async () => {
      onTestFinished(() => replica().start());
      const error = await errorWhileSleeping(() => replica().stop());
      expect(kindsOf(error)).toEqual(['connectionLost']);
    });

    test('a connection under which the server is killed is lost', async () => {
      onTestFinished(() => replica().start());
      const error = await errorWhileSleeping(() => replica().kill());
      expect(kindsOf(error)).toEqual(['connectionLost']);
    });

    test('a connection that is one too many is lost', async () => {
      const runAtOnce = await lockNumbers();
      await replica().ask('set global max_connections = 10');
      // The server may take a moment to see that the others have gone.
      onTestFinished(async () => {
        await vi.waitFor(() => replica().ask('set global max_connections = 151'), 10_000);
      });
      const run = open(replica().connectionString, { max: 30, isImpatient: true });

      expect(kindsOfAll(await runAtOnce(20, run))).toEqual(['connectionLost']);
    });

    test('a connection that is one too many for its user is lost', async () => {
      const runAtOnce = await lockNumbers();
      const address = replica().connectionString.replace('service@', 'ordinary@');
      const run = open(address, { max: 10, isImpatient: true });

      expect(kindsOfAll(await runAtOnce(10, run))).toEqual(['connectionLost']);
    });

    test('a connection to a server that is in offline mode is lost', async ({ skip }) => {
      skip(brand === 'MariaDB', 'MariaDB has no such mode.');
      await replica().ask('set global offline_mode = 1');
      onTestFinished(async () => {
        await replica().ask('set global offline_mode = 0');
      });
      const address = replica().connectionString.replace('service@', 'ordinary@');

      const error = await errorOf(open(address, { isImpatient: true })('select 1'));

      expect(kindsOf(error)).toEqual(['connectionLost']);
    });

    test('a connection that the pool did not have in time is lost', async () => {
      const run = open(replica().connectionString, { max: 1, isImpatient: true });
      const results = await Promise.allSettled([1, 2, 3].map(() => run('select sleep(1)')));
      expect(kindsOfAll(results)).toContain('connectionLost');
    });

    test.for([
      { what: 'a table', migration: 'create table later (id int)', query: 'select id from later' },
      {
        what: 'a column',
        migration: 'alter table numbers add column later int',
        query: 'select later from numbers',
      },
      {
        what: 'a function',
        migration: 'create function later() returns int deterministic no sql return 1',
        query: 'select service.later()',
      },
      {
        what: 'an index',
        migration: 'create index later on numbers (id)',
        query: 'select id from numbers force index (later)',
      },
      {
        what: 'a partition',
        migration:
          'alter table numbers partition by range (id) (partition later values less than (10))',
        query: 'select id from numbers partition (later)',
      },
    ])('$what that the replica does not have yet is a schema behind', async (step) => {
      const { primary } = cluster();
      await primary.ask('create table if not exists numbers (id int primary key)');
      await replica().catchUp();
      await replica().holdBack();
      onTestFinished(async () => {
        await primary.ask('drop table numbers');
        await primary.ask('drop table if exists later');
        await primary.ask('drop function if exists later');
        await replica().goOn();
        await replica().catchUp();
      });
      await primary.ask(step.migration);

      const error = await errorOf(open(replica().connectionString)(step.query));

      expect(kindsOf(error)).toEqual(['schemaBehind']);
      await primary.ask(step.query);
    });

    test.for([
      'use nowhere',
      `select id from numbers where match (id) against ('a')`,
      ...(brand === 'MariaDB' ? ['select previous value for nowhere'] : []),
    ])('what is not there is a schema behind: %s', async (query) => {
      await createNumbers();
      const error = await errorOf(open(replica().connectionString)(query));
      expect(kindsOf(error)).toEqual(['schemaBehind']);
    });

    test.for(['selec 1', 'select * from (select 1) as a where exists (select 1 from a.b.c)'])(
      '%j is not unavailability',
      async (query) => {
        const error = await errorOf(open(replica().connectionString)(query));
        expect(kindsOf(error)).toEqual([]);
      },
    );

    test('a query that a user interrupts is not unavailability', async () => {
      // MySQL answers `sleep` with 1 when it is interrupted, unless it reads a table.
      const error = await errorWhileSleeping((id) => replica().ask(`kill query ${id}`));
      expect(kindsOf(error)).toEqual([]);
    });
  });
});
