import type { Kysely } from 'kysely';
import { InvalidPositionError, withReplicaFallback } from 'kysely-replica-fallback';
import { walCatchUp, walPosition } from 'kysely-replica-fallback/postgres';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import { expect, onTestFinished, test } from 'vitest';
import {
  addOrder,
  createOrders,
  findOrder,
  orderReadsOf,
  type OrdersDatabase,
} from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { seeRead } from '../../support/see-read.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);
await database.write(addOrder('1', 2));
const otherCluster = await replicatedDatabase<OrdersDatabase>(
  createOrders,
  startReplicationCluster,
);
await otherCluster.write(addOrder('1', 1));

/** Positions that a client may send back, whatever they are by then. */

const WINDOW_MS = 20_000;
const options = {
  primary: database.primary.db,
  replica: database.replica.db,
  catchUp: walCatchUp(),
  retryMs: WINDOW_MS,
};
const find = (id: string) => (db: Kysely<OrdersDatabase>) => findOrder(db, id).executeTakeFirst();

/** How many queries there were of the two servers. */
const countQueries = () => database.primary.queries.length + database.replica.queries.length;

/** One that the primary has not reached, and would not for a thousand years. */
async function forge(): Promise<string> {
  const [timeline] = (await walPosition(database.primary.db)).split('-');
  return `${timeline}-ffffffffffffffff`;
}

test.for([
  '0',
  '0/3000148',
  'NOW',
  "9a33a5c48496-3000148'; drop table orders; --",
  '9a33a5c48496-03000148',
  '9A33A5C48496-3000148',
  '9a33a5c48496-10000000000000000',
  '9a33a5c48496-3000148\n',
])('rejects with an error of its own after %j, before anything is asked', async (after) => {
  const queriesBefore = countQueries();

  await expect(withReplicaFallback(find('1'), { ...options, after })).rejects.toThrow(
    InvalidPositionError,
  );

  expect(countQueries()).toBe(queriesBefore);
});

test.for([
  { position: 'is forged far ahead', take: forge },
  { position: 'is of another cluster', take: () => walPosition(otherCluster.primary.db) },
])(
  'costs one position query, and neither a window nor a spill, after a position that $position',
  async ({ take }) => {
    const after = await take();
    const queriesBefore = database.primary.queries.length;

    const found = await seeRead(find('1'), { ...options, after });
    const notFound = await seeRead(find('nowhere'), { ...options, after });

    expect(found.result).toMatchObject({ value: { version: 2, servedBy: 'replica' } });
    expect(found.report.outcome).toBe('replica_retry');
    expect(notFound.result).toEqual({ status: 'fulfilled', value: undefined });
    expect(notFound.report.outcome).toBe('not_found');
    for (const { report } of [found, notFound]) {
      expect(report.recovery?.catchUp?.end).toBe('caught_up');
      expect(report.durationMs).toBeLessThan(WINDOW_MS / 2);
    }
    expect(orderReadsOf(database.primary)).toEqual([]);
    expect(database.primary.queries).toHaveLength(queriesBefore + 2);
  },
);

test.for([{ after: 'now' }, { after: 'a position' }])(
  'never takes the answer of a standby of another cluster, after $after',
  async ({ after }) => {
    const { result, report } = await seeRead(find('1'), {
      ...options,
      replica: otherCluster.replica.db,
      after: after === 'now' ? after : await walPosition(database.primary.db),
    });

    expect(result).toMatchObject({ value: { version: 2, servedBy: 'primary' } });
    expect(report).toMatchObject({
      outcome: 'primary',
      recovery: { catchUp: { waitedFor: 'after', end: 'unknown' } },
    });
    expect(report.durationMs).toBeLessThan(WINDOW_MS / 2);
  },
);

test('sees all that is on the primary after a position that a crash of the primary took back', async () => {
  await database.holdBack();
  onTestFinished(() => database.catchUp());
  await database.write((db) => db.updateTable('orders').set({ version: 3 }).execute());

  const { result, report } = await seeRead(find('1'), { ...options, after: await forge() });

  expect(result).toMatchObject({ status: 'fulfilled', value: { version: 3, servedBy: 'primary' } });
  expect(report).toMatchObject({ recovery: { catchUp: { waitedFor: 'after', end: 'late' } } });
});
