import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { sql } from 'kysely';
import {
  connectionLost,
  recoveryConflict,
  replicaUnavailable,
  schemaBehind,
} from 'kysely-replica-fallback/postgres';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import { expect, onTestFinished, test } from 'vitest';
import { listSleepers } from '../../support/list-sleepers.ts';
import {
  endOtherClients,
  type OpenClient,
  openOtherClients,
  OTHER_CLIENTS,
  type PoolSettings,
} from '../../support/other-clients.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';

const database = await replicatedDatabase<object>(
  (db) => sql`create table notes (id int)`.execute(db),
  startReplicationCluster,
);
const standby = () => database.cluster.replicas[0];
const ALL = Object.keys(OTHER_CLIENTS);

type Clients = ReadonlyMap<string, OpenClient>;

/** One of each kind, on a server. */
function open(connectionString: string, settings?: PoolSettings): Clients {
  const clients = openOtherClients(connectionString, settings);
  onTestFinished(() => endOtherClients(clients));
  return clients;
}

/** Which classifiers know the errors that the clients reject with, by client. */
async function kindsOf(
  clients: Clients,
  ask: (client: OpenClient) => Promise<unknown>,
): Promise<Record<string, string>> {
  const classifiers = { connectionLost, recoveryConflict, schemaBehind };
  const asked = [...clients].map(async ([name, client]) => {
    const [result] = await Promise.allSettled([ask(client)]);
    if (result.status === 'fulfilled') return [name, 'no error'];
    const kinds = Object.entries(classifiers).filter(([, isOne]) => isOne(result.reason));
    expect(replicaUnavailable(result.reason)).toBe(kinds.length > 0);
    return [name, kinds.map(([kind]) => kind).join()];
  });
  return Object.fromEntries(await Promise.all(asked));
}

function each(clients: Clients, kind: string): Record<string, string> {
  return Object.fromEntries([...clients.keys()].map((name) => [name, kind]));
}

/** Lets something happen while each client has a query asleep. */
async function kindsWhileSleeping(clients: Clients, happen: () => Promise<unknown>) {
  const sleep = 'select pg_sleep(60), (select count(*) from notes)';
  const kinds = kindsOf(clients, (client) => client.run(sleep));
  await expect.poll(() => listSleepers(database.replica.db)).toHaveLength(clients.size);
  await happen();
  return kinds;
}

/** Ends all that sleeps, in one way or another. */
function endSleeping(by: 'pg_cancel_backend' | 'pg_terminate_backend') {
  return sql`
    select ${sql.id(by)}(pid) from pg_stat_activity where wait_event = 'PgSleep'`.execute(
    database.replica.db,
  );
}

test('the table and the column that a standby has not replayed are a schema behind', async () => {
  const clients = open(standby().connectionString);
  const find = () => kindsOf(clients, (client) => client.find('1'));

  await database.holdBack();
  onTestFinished(() => database.catchUp());
  await database.write((db) =>
    sql`create table orders (id text primary key, status text not null)`.execute(db),
  );
  expect(await find()).toEqual(each(clients, 'schemaBehind'));

  await database.catchUp();
  await database.holdBack();
  await database.write((db) =>
    sql`alter table orders add version int not null default 1`.execute(db),
  );
  expect(await find()).toEqual(each(clients, 'schemaBehind'));

  await database.catchUp();
  expect(await find()).toEqual(each(clients, 'no error'));
});

test.for(['select from later', 'select later from notes', 'select later()'])(
  'what is not there is a schema behind: %s',
  async (statement) => {
    const clients = open(standby().connectionString);
    const kinds = await kindsOf(clients, (client) => client.run(statement));
    expect(kinds).toEqual(each(clients, 'schemaBehind'));
  },
);

test.for(['127.0.0.1', 'localhost'])('a connection that %s refuses is lost', async (host) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  const clients = open(`postgres://postgres@${host}:${port}/postgres`);

  const ran = await kindsOf(clients, (client) => client.run('select 1'));
  const found = await kindsOf(clients, (client) => client.find('1'));

  expect(ran).toEqual(each(clients, 'connectionLost'));
  expect(found).toEqual(each(clients, 'connectionLost'));
});

test('a connection under which the server shuts down is lost', async () => {
  const clients = open(standby().connectionString);
  const kinds = await kindsWhileSleeping(clients, () => standby().restart());
  expect(kinds).toEqual(each(clients, 'connectionLost'));
});

test('a connection under which the server is killed is lost, and so is the next one', async () => {
  const clients = open(standby().connectionString);
  onTestFinished(() => standby().start());

  const kinds = await kindsWhileSleeping(clients, () => standby().kill());
  const again = await kindsOf(clients, (client) => client.find('1'));

  expect(kinds).toEqual(each(clients, 'connectionLost'));
  expect(again).toEqual(each(clients, 'connectionLost'));
});

test('a connection that the network resets in the middle of a query is lost', async () => {
  await using proxy = await startTcpProxy(standby().connectionString);
  const clients = open(proxy.connectionString);
  onTestFinished(async () => void (await endSleeping('pg_terminate_backend')));

  const kinds = await kindsWhileSleeping(clients, async () => proxy.refuse());

  expect(kinds).toEqual(each(clients, 'connectionLost'));
});

test('a connection that ends while it is not used is lost, or replaced', async () => {
  await using proxy = await startTcpProxy(standby().connectionString);
  const clients = open(proxy.connectionString);
  expect(await kindsOf(clients, (client) => client.run('select 1'))).toEqual(
    each(clients, 'no error'),
  );

  proxy.refuse();
  const kinds = await kindsOf(clients, (client) => client.find('1'));

  expect(kinds).toEqual(each(clients, 'connectionLost'));
});

test('a connection for which the server has no room is lost', async () => {
  const url = new URL(standby().connectionString);
  const password = sql.lit(decodeURIComponent(url.password)); // which servers in containers ask for
  await database.write((db) =>
    sql`create role few login connection limit 0 password ${password}`.execute(db),
  );
  url.username = 'few';
  const clients = open(url.href);

  const ran = await kindsOf(clients, (client) => client.run('select 1'));
  const found = await kindsOf(clients, (client) => client.find('1'));

  expect(ran).toEqual(each(clients, 'connectionLost'));
  expect(found).toEqual(each(clients, 'connectionLost'));
});

test('a connection that the pool did not get in time is lost', async () => {
  const all = open(standby().connectionString, { max: 1, timeoutMs: 1_000 });
  // postgres.js waits as long as it takes.
  const clients = new Map([...all].filter(([name]) => !name.includes('postgres.js')));
  // The first connection may take longer.
  await expect
    .poll(() => kindsOf(clients, (client) => client.run('select 1')))
    .toEqual(each(clients, 'no error'));

  let kinds: Record<string, string> = {};
  await kindsWhileSleeping(clients, async () => {
    kinds = await kindsOf(clients, (client) => client.find('1'));
    await endSleeping('pg_cancel_backend');
  });

  expect(clients.size).toBe(ALL.length - 2);
  expect(kinds).toEqual(each(clients, 'connectionLost'));
});

test('a connection to a server that says nothing is lost', async () => {
  await using proxy = await startTcpProxy(standby().connectionString);
  proxy.blackHole();
  const clients = open(proxy.connectionString, { timeoutMs: 500 });

  const kinds = await kindsOf(clients, (client) => client.find('1'));

  expect(kinds).toEqual(each(clients, 'connectionLost'));
});

test('a query that keeps the standby from replaying is a recovery conflict', async () => {
  const { db } = database.replica;
  await sql`alter system set max_standby_streaming_delay = 0`.execute(db);
  await sql`select pg_reload_conf()`.execute(db);
  const clients = open(standby().connectionString);

  const kinds = await kindsWhileSleeping(clients, () =>
    database.write((primary) => sql`truncate notes`.execute(primary)),
  );

  expect(kinds).toEqual(each(clients, 'recoveryConflict'));
});

test('a query that a user cancels is not unavailability', async () => {
  const clients = open(standby().connectionString);
  const kinds = await kindsWhileSleeping(clients, () => endSleeping('pg_cancel_backend'));
  expect(kinds).toEqual(each(clients, ''));
});

test.for<[string, string]>([
  ['a syntax error', `selec 'Connection terminated unexpectedly'`],
  ['a division by zero', 'select 1 / 0'],
  ['a wrong value', `select 'x - Connection terminated unexpectedly'::int`],
  ['a write', 'insert into notes values (1)'],
  ['a statement time-out', raise('canceling statement due to statement timeout', '57014')],
  ['a serialization failure', raise('could not serialize access', '40001')],
  ['a deadlock', raise('deadlock detected', '40P01')],
  ['an error of a function', raise('x - Connection terminated unexpectedly', 'P0001')],
])('%s on the standby is not unavailability', async ([, statement]) => {
  const clients = open(standby().connectionString);
  const kinds = await kindsOf(clients, (client) => client.run(statement));
  expect(kinds).toEqual(each(clients, ''));
});

test('a client that the process has closed is not unavailability', async () => {
  const clients = openOtherClients(standby().connectionString);
  await kindsOf(clients, (client) => client.run('select 1'));
  await endOtherClients(clients);

  const kinds = await kindsOf(clients, (client) => client.run('select 1'));

  expect(kinds).toEqual({ ...each(clients, ''), Prisma: 'no error' }); // Prisma connects again.
});

/** Throws what the server would, as it would. */
function raise(message: string, code: string): string {
  return `do $$ begin raise exception '${message}' using errcode = '${code}'; end $$`;
}
