import { createReplicaFallback, type ReadReport } from 'kysely-replica-fallback';
import { walPosition } from 'kysely-replica-fallback/postgres';
import { recordReads } from 'kysely-replica-fallback/testing';
import { expect, onTestFinished, test } from 'vitest';
import { gaugedCatchUp } from '../../support/gauged-catch-up.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);
await database.write(addOrder('1'));

/** A replica whose replay is paused, as in an outage of replication. */

/** Longer than a slow machine stands still. */
const WINDOW_MS = 1_500;
const gauged = gaugedCatchUp();
const { catchUp, positionQueries } = gauged;
const watchQueries = gauged.watchQueries(database.replica.db);
const { onOutcome, reports } = recordReads();
const read = createReplicaFallback({
  primary: database.primary.db,
  replica: database.replica.db,
  catchUp,
  retryMs: WINDOW_MS,
  onOutcome,
});

let orders = 0;

/** Adds an order, and reads it. */
async function addAndFind() {
  const id = `order-${++orders}`;
  await database.write(addOrder(id));
  return read((db) => findOrder(db, id).executeTakeFirst());
}

/** Updates an order, and reads it. */
async function updateAndFind() {
  const version = ++orders;
  await database.write((db) =>
    db.updateTable('orders').set({ version }).where('id', '=', '1').execute(),
  );
  const after = await walPosition(database.primary.db);
  return read((db) => findOrder(db, '1').executeTakeFirst(), { after });
}

/** Resolves when what the primary said at a miss is a window old. */
async function knowThatItIsHopeless(): Promise<void> {
  await expect
    .poll(async () => (await addAndFind()) && waitOf(reports.at(-1))?.end)
    .toBe('hopeless');
}

/** Asks without a pause, and resolves with the time at which the replica was there. */
async function waitUntilReplayed(position: string): Promise<number> {
  for (;;) {
    const replayed = await gauged.source.replayed(database.replica.db);
    if (replayed === undefined) throw new Error('The replica is no standby.');
    if (gauged.source.compare(replayed, position) === 'reached') return performance.now();
  }
}

function waitOf(report: ReadReport | undefined) {
  return report?.recovery?.catchUp;
}

test('costs the first reads one window, and later ones no more than a look at the replica', async () => {
  await database.holdBack();
  onTestFinished(() => database.catchUp());

  const first = await Promise.all([addAndFind(), addAndFind(), addAndFind()]);
  expect(first.map((order) => order?.servedBy)).toEqual(['primary', 'primary', 'primary']);
  const waits = reports.map((report) => waitOf(report)?.waitMs ?? 0);
  expect(Math.max(...waits)).toBeGreaterThan(WINDOW_MS * 0.9);
  expect(Math.max(...waits)).toBeLessThan(WINDOW_MS * 2);

  await knowThatItIsHopeless();

  const before = { positions: positionQueries.total, looks: watchQueries.total };
  for (let each = 0; each < 10; each++) {
    expect((await addAndFind())?.servedBy).toBe('primary');
    expect((await updateAndFind())?.servedBy).toBe('primary');
  }
  expect(new Set(reports.slice(-20).map((report) => waitOf(report)?.end))).toEqual(
    new Set(['hopeless']),
  );
  expect(positionQueries.total - before.positions).toBeLessThanOrEqual(20);
  expect(watchQueries.total - before.looks).toBeLessThanOrEqual(20);
});

test('goes back to the replica with the first read that starts when it has caught up', async () => {
  await database.holdBack();
  onTestFinished(() => database.catchUp());
  await knowThatItIsHopeless();

  const seen: { startedAt: number; servedBy: string | undefined }[] = [];
  const id = `order-${orders}`;
  const after = await walPosition(database.primary.db);
  const reading = new AbortController();
  const readOn = async (): Promise<void> => {
    while (!reading.signal.aborted) {
      const startedAt = performance.now();
      const order = await read((db) => findOrder(db, id).executeTakeFirst(), { after });
      seen.push({ startedAt, servedBy: order?.servedBy });
    }
  };
  const readers = Promise.all([readOn(), readOn(), readOn(), readOn()]);
  await expect.poll(() => seen.length).toBeGreaterThan(10);
  const resuming = database.cluster.replicas[0].resumeReplay();
  const caughtUpAt = await waitUntilReplayed(after);
  await resuming;
  await expect
    .poll(() => seen.filter(({ startedAt }) => startedAt > caughtUpAt).length)
    .toBeGreaterThan(10);
  reading.abort();
  await readers;

  const servedBy = (isLater: boolean) =>
    new Set(
      seen
        .filter(({ startedAt }) => startedAt > caughtUpAt === isLater)
        .map((each) => each.servedBy),
    );
  expect(servedBy(false)).toContain('primary');
  expect(servedBy(true)).toEqual(new Set(['replica']));
});

test('costs one window also when the primary was asked just before the replica fell behind', async () => {
  await database.holdBack();
  onTestFinished(() => database.catchUp());

  expect(await read((db) => findOrder(db, 'nowhere').executeTakeFirst())).toBeUndefined();
  await addAndFind();

  await addAndFind();
  expect(waitOf(reports.at(-1))?.end).toBe('hopeless');
});
