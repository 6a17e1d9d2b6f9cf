import type { Kysely } from 'kysely';
import { walCatchUp, walPosition } from 'kysely-replica-fallback/postgres';
import type { PoolConfig } from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { afterFirstAnswer } from '../../support/after-first-answer.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { connectThroughProxy } from '../../support/proxied-connection.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { seeRead } from '../../support/see-read.ts';
import type { TcpProxy } from '../../support/tcp-proxy.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);
const [standby] = database.cluster.replicas;

/** The primary still writes and replicates, but the service does not reach it any more. */

const FAULTS = [
  { fault: 'refuses connections', strike: (proxy: TcpProxy) => proxy.refuse() },
  { fault: 'does not answer', strike: (proxy: TcpProxy) => proxy.blackHole() },
];
const WINDOW_MS = 2_000;
const LATE_MS = 10_000;

/** The primary, through a proxy of its own, and the options of a read with it. */
async function openPrimary(config?: PoolConfig) {
  const { connectionString } = database.cluster.primary;
  const primary = await connectThroughProxy<OrdersDatabase>(connectionString, config);
  const options = {
    primary: primary.db,
    replica: database.replica.db,
    catchUp: walCatchUp(),
    retryMs: { min: WINDOW_MS, max: WINDOW_MS },
  };
  return { primary, options };
}

let orders = 0;

/** Adds an order, and takes the position after it. */
async function addNext() {
  const id = `order-${++orders}`;
  await database.write(addOrder(id));
  return { id, position: await walPosition(database.primary.db) };
}

const find = (id: string) => (db: Kysely<OrdersDatabase>) => findOrder(db, id).executeTakeFirst();

type Options = Awaited<ReturnType<typeof openPrimary>>['options'] & { readonly after?: string };

/** A read of a row that the replica does not have at first. It catches up as soon as it has been asked. */
function missFirst(id: string, options: Options) {
  const replica = afterFirstAnswer(options.replica, () => standby.resumeReplay());
  return seeRead(find(id), { ...options, replica });
}

async function holdBack(): Promise<void> {
  await database.holdBack();
  onTestFinished(() => database.catchUp());
}

test.for(FAULTS)(
  'is served by a replica that has the position while the primary $fault',
  async ({ strike }) => {
    const { id, position } = await addNext();
    const { primary, options } = await openPrimary();
    strike(primary.proxy);

    const { result, report } = await seeRead(find(id), { ...options, after: position });

    expect(result).toMatchObject({ value: { id, servedBy: 'replica' } });
    expect(report).toMatchObject({ outcome: 'replica', attempts: 1 });
  },
);

test.for(FAULTS)(
  'waits for a replica to have the position while the primary $fault',
  async ({ strike }) => {
    await holdBack();
    const { id, position } = await addNext();
    const { primary, options } = await openPrimary();
    strike(primary.proxy);

    const { result, report } = await missFirst(id, { ...options, after: position });

    expect(result).toMatchObject({ value: { id, servedBy: 'replica' } });
    expect(report).toMatchObject({
      outcome: 'replica_retry',
      recovery: { catchUp: { waitedFor: 'after', end: 'caught_up' } },
    });
  },
);

test.for(FAULTS)(
  'climbs the blind ladder while the primary $fault, and finds the row on the replica',
  async ({ strike }) => {
    await holdBack();
    const { id } = await addNext();
    const { primary, options } = await openPrimary();
    strike(primary.proxy);

    const { result, report } = await missFirst(id, options);

    expect(result).toMatchObject({ value: { id, servedBy: 'replica' } });
    expect(report).toMatchObject({
      outcome: 'replica_retry',
      recovery: { catchUp: { end: 'unknown' } },
    });
    expect(report.durationMs).toBeLessThan(LATE_MS);
  },
);

test.for(FAULTS)(
  'waits on for the replica when the primary $fault after it has said where it is',
  async ({ strike }) => {
    await holdBack();
    const { id } = await addNext();
    const { primary, options } = await openPrimary();

    const reading = seeRead(find(id), { ...options, retryMs: LATE_MS });
    await expect.poll(() => primary.queries.length).toBe(1);
    strike(primary.proxy);
    await database.catchUp();
    const { result, report } = await reading;

    expect(result).toMatchObject({ value: { id, servedBy: 'replica' } });
    expect(report).toMatchObject({
      outcome: 'replica_retry',
      recovery: { catchUp: { end: 'caught_up' } },
    });
    expect(report.durationMs).toBeLessThan(LATE_MS);
  },
);

test.for([{ after: undefined }, { after: 'now' }])(
  "rejects with the primary's error, after $after, while it refuses connections and is needed",
  async ({ after }) => {
    const { primary, options } = await openPrimary();
    primary.proxy.refuse();

    const { result, report } = await seeRead(find('nowhere'), { ...options, after });

    expect(result).toMatchObject({ status: 'rejected', reason: { code: 'ECONNREFUSED' } });
    expect(report).toMatchObject({ outcome: 'error', failedDuring: 'primary' });
    expect(report.durationMs).toBeLessThan(LATE_MS);
  },
);

test.for([{ after: undefined }, { after: 'now' }])(
  'asks the primary, after $after, when a window is over in which it did not answer',
  async ({ after }) => {
    const { primary, options } = await openPrimary();
    primary.proxy.blackHole();
    const end = new AbortController();

    const reading = seeRead(find('nowhere'), { ...options, after, signal: end.signal });
    // The query for the position has the first connection.
    await expect.poll(() => primary.proxy.accepted).toBe(2);
    expect(primary.queries).toEqual([]);

    end.abort(new Error('The caller gave up.'));
    expect((await reading).result).toMatchObject({ reason: { message: 'The caller gave up.' } });
  },
);

test('is informed again when the primary answers again', async () => {
  const { primary, options } = await openPrimary({
    connectionTimeoutMillis: WINDOW_MS,
    query_timeout: WINDOW_MS,
    pipeline: true,
  });
  const readNowhere = async () => {
    const { report } = await seeRead(find('nowhere'), options);
    return report.recovery?.catchUp?.end;
  };
  await expect.poll(readNowhere).toBe('caught_up');
  primary.proxy.blackHole();
  expect(await readNowhere()).toBe('unknown');

  await primary.proxy.pass();

  await expect.poll(readNowhere).toBe('caught_up');
});
