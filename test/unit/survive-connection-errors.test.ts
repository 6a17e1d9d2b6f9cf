import { EventEmitter } from 'node:events';
import { surviveConnectionErrors } from 'kysely-replica-fallback/postgres';
import { expect, test } from 'vitest';

/** As pg's is: a client that is lost emits an error, and without a listener that is thrown. */
class FakeClient extends EventEmitter {
  readonly config: unknown;

  constructor(config?: unknown) {
    super();
    this.config = config;
  }

  lose(): Error {
    const error = new Error('Connection terminated unexpectedly');
    this.emit('error', error);
    return error;
  }
}

/** As pg-pool is: it says who connects and who is taken out, and passes on what an idle client emits. */
class FakePool extends EventEmitter {
  Client = FakeClient;

  connect(): FakeClient {
    const client = new this.Client();
    this.emit('connect', client);
    return client;
  }

  loseIdle(client: FakeClient): Error {
    const error = client.listenerCount('error') > 0 ? client.lose() : new Error('lost');
    this.emit('error', error, client);
    return error;
  }
}

function survive(pool: FakePool): Error[] {
  const told: Error[] = [];
  surviveConnectionErrors(pool as never, (error) => told.push(error));
  return told;
}

test('tells of a connection that is lost while it is in use', () => {
  const pool = new FakePool();
  const told = survive(pool);

  const error = pool.connect().lose();

  expect(told).toEqual([error]);
});

test('ignores lost connections without a listener of its own', () => {
  const pool = new FakePool();
  surviveConnectionErrors(pool as never);

  expect(() => pool.connect().lose()).not.toThrow();
});

test('tells once of an idle connection, which the pool tells of as well', () => {
  const pool = new FakePool();
  const told = survive(pool);

  const error = pool.loseIdle(pool.connect());

  expect(told).toEqual([error]);
});

test('tells of a connection from before, idle or in use', () => {
  const pool = new FakePool();
  const [idle, used] = [pool.connect(), pool.connect()];
  const told = survive(pool);

  const first = pool.loseIdle(idle);
  pool.emit('acquire', used);
  const second = used.lose();

  expect(told).toEqual([first, second]);
});

test('tells once of a connection that was taken out many times, and listens to it once', () => {
  const pool = new FakePool();
  const told = survive(pool);
  const client = pool.connect();
  for (let i = 0; i < 20; i++) pool.emit('acquire', client);

  const error = client.lose();

  expect(client.listenerCount('error')).toBe(1);
  expect(told).toEqual([error]);
});

test('tells of a client beside the pool that is made of its class, as Kysely does to cancel a query', () => {
  const pool = new FakePool();
  const told = survive(pool);
  const config = { port: 5432 };

  const client = new pool.Client(config);
  const error = client.lose();

  expect(client).toBeInstanceOf(FakeClient);
  expect(client.config).toBe(config);
  expect(told).toEqual([error]);
});

test('tells of a connection of a pool that does not show its class of clients', () => {
  const pool = new EventEmitter();
  const client = new FakeClient();
  const told: Error[] = [];
  surviveConnectionErrors(pool as never, (error) => told.push(error));

  pool.emit('connect', client);

  expect([client.lose()]).toEqual(told);
  expect(told).toHaveLength(1);
});

test.for([
  { kind: 'without a class of clients', more: {} },
  { kind: 'whose `Client` is none', more: { Client: 'pg-native' } },
])('takes a pool $kind, and leaves that as it is', ({ more }) => {
  const pool = Object.assign(new EventEmitter(), more);

  surviveConnectionErrors(pool as never);

  expect(pool).toMatchObject(more);
  expect('Client' in pool).toBe('Client' in more);
  expect(pool.listenerCount('error')).toBe(1);
});
