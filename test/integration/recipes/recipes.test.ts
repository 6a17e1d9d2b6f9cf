import { once } from 'node:events';
import {
  BrokenCircuitError,
  bulkhead,
  BulkheadRejectedError,
  circuitBreaker,
  CircuitState,
  ConsecutiveBreaker,
  handleWhen,
} from 'cockatiel';
import { type Kysely, sql } from 'kysely';
import { anyOf, type AttemptContext, ReplicaTimeoutError } from 'kysely-replica-fallback';
import { replicaUnavailable } from 'kysely-replica-fallback/postgres';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { Connection } from '../../support/connect.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { connectThroughProxy } from '../../support/proxied-connection.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { seeRead } from '../../support/see-read.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);
await database.write(addOrder('1'));

type Client = Kysely<OrdersDatabase>;

// Kysely tells the console of a query that ended after it was abandoned, which is when the test is over.
beforeAll(() => void vi.spyOn(console, 'error').mockReturnValue());
afterEach(() => void vi.useRealTimers());
afterAll(() => void vi.restoreAllMocks());

const FAILURES = 3;
const OPEN_MS = 10_000;
/** For reads whose replica is not going to answer. */
const SHORT_MS = 500;
const LONG_MS = 20_000;
const SPILLS = 2;

/** The recipe for one service, and how often its breaker let a query through. */
function guard(replica: Connection<OrdersDatabase>) {
  const failed = anyOf(replicaUnavailable, (error) => error instanceof ReplicaTimeoutError);
  const breaker = circuitBreaker(handleWhen(failed), {
    breaker: new ConsecutiveBreaker(FAILURES),
    halfOpenAfter: OPEN_MS,
  });
  const spills = bulkhead(SPILLS);
  let letThrough = 0;
  const read = (
    find: (db: Client, attempt: AttemptContext) => Promise<unknown>,
    replicaTimeoutMs = LONG_MS,
  ) =>
    seeRead(
      (db, attempt) => {
        const { source, signal } = attempt;
        if (source === 'primary') return spills.execute(() => find(db, attempt), signal);
        return breaker.execute(() => {
          letThrough++;
          return find(db, attempt);
        }, signal);
      },
      {
        primary: database.primary.db,
        replica: replica.db,
        retryMs: { max: 0 },
        replicaTimeoutMs,
        isUnavailable: anyOf(replicaUnavailable, (error) => error instanceof BrokenCircuitError),
      },
    );
  return { breaker, read, letThrough: () => letThrough };
}

const connectReplica = () =>
  connectThroughProxy<OrdersDatabase>(database.cluster.replicas[0].connectionString);

const find = (db: Client, { signal }: AttemptContext) =>
  findOrder(db, '1').executeTakeFirst({ signal });

const SERVED_BY_PRIMARY = { status: 'fulfilled', value: { servedBy: 'primary' } };
const SERVED_BY_REPLICA = { status: 'fulfilled', value: { servedBy: 'replica' } };

test.for([
  { fault: 'refuses', strike: 'refuse' },
  { fault: 'does not answer', strike: 'blackHole' },
] as const)(
  'the breaker opens when the replica $fault, keeps reads from it, and closes after a probe went well',
  async ({ strike }) => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const replica = await connectReplica();
    const { breaker, read, letThrough } = guard(replica);

    replica.proxy[strike]();
    for (let failure = 1; failure <= FAILURES; failure++) {
      expect(breaker.state).toBe(CircuitState.Closed);
      expect((await read(find, SHORT_MS)).result).toMatchObject(SERVED_BY_PRIMARY);
    }
    expect(breaker.state).toBe(CircuitState.Open);

    // The replica is well again, but nobody has tried.
    await replica.proxy.pass();
    const connections = replica.proxy.accepted;
    const { result, report } = await read(find);
    expect(result).toMatchObject(SERVED_BY_PRIMARY);
    expect(report).toMatchObject({ outcome: 'primary', attempts: 2 });
    expect(report.replicaError).toBeInstanceOf(BrokenCircuitError);
    expect(letThrough()).toBe(FAILURES);
    expect(replica.proxy.accepted).toBe(connections);

    vi.setSystemTime(Date.now() + OPEN_MS);
    expect((await read(find)).result).toMatchObject(SERVED_BY_REPLICA);
    expect(letThrough()).toBe(FAILURES + 1);
    expect(replica.proxy.accepted).toBe(connections + 1);
    expect(breaker.state).toBe(CircuitState.Closed);
  },
);

test('the breaker opens again when its probe fails, and reads that wait for it wait no longer than for the replica', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  const replica = await connectReplica();
  const { breaker, read, letThrough } = guard(replica);
  replica.proxy.blackHole();
  for (let failure = 1; failure <= FAILURES; failure++) await read(find, SHORT_MS);

  vi.setSystemTime(Date.now() + OPEN_MS);
  const reads = await Promise.all([read(find, SHORT_MS), read(find, SHORT_MS)]);

  for (const { result } of reads) expect(result).toMatchObject(SERVED_BY_PRIMARY);
  expect(letThrough()).toBe(FAILURES + 1);
  await expect.poll(() => breaker.state).toBe(CircuitState.Open);
});

test('misses, and errors that say nothing of the replica, leave the breaker closed', async () => {
  const replica = await connectReplica();
  const { breaker, read, letThrough } = guard(replica);

  for (const findNothing of [
    (db: Client) => findOrder(db, 'nowhere').executeTakeFirst(),
    (db: Client) => findOrder(db, 'nowhere').executeTakeFirstOrThrow(),
    (db: Client) => sql`select 1 / 0`.execute(db),
  ]) {
    for (let count = 1; count <= FAILURES; count++) await read(findNothing);
  }

  expect(letThrough()).toBe(FAILURES * 3);
  expect(breaker.state).toBe(CircuitState.Closed);
});

test('the bulkhead rejects the reads that the primary has no room for, until others have ended', async () => {
  const replica = await connectReplica();
  replica.proxy.refuse();
  const { read } = guard(replica);
  const hold = new AbortController();
  const released = once(hold.signal, 'abort');
  let holding = 0;
  const findAndHold = async (db: Client, attempt: AttemptContext) => {
    const order = await find(db, attempt);
    if (attempt.source === 'primary') holding++;
    await released;
    return order;
  };

  const holders = Array.from({ length: SPILLS }, () => read(findAndHold));
  await expect.poll(() => holding).toBe(SPILLS);
  const primaryQueries = database.primary.queries.length;
  const { result, report } = await read(find);

  expect(result).toEqual({ status: 'rejected', reason: expect.any(BulkheadRejectedError) });
  expect(report).toMatchObject({ outcome: 'error', failedDuring: 'primary' });
  expect(database.primary.queries).toHaveLength(primaryQueries);

  hold.abort();
  for (const held of await Promise.all(holders)) {
    expect(held.result).toMatchObject(SERVED_BY_PRIMARY);
  }
  expect((await read(find)).result).toMatchObject(SERVED_BY_PRIMARY);
});
