import type { Kysely } from 'kysely';
import { walCatchUp } from 'kysely-replica-fallback/postgres';
import { expect, test } from 'vitest';
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
await database.write(addOrder('1'));
await database.cluster.replicas[0].setApplyDelay(20);

/** Nothing is written any more. */

test.for([{ after: undefined }, { after: 'now' }])(
  'knows from the replica that a row is nowhere, after $after, and reads no row on the primary',
  async ({ after }) => {
    const queriesBefore = database.primary.queries.length;

    const { result, report } = await seeRead(
      (db: Kysely<OrdersDatabase>) => findOrder(db, 'nowhere').executeTakeFirst(),
      {
        primary: database.primary.db,
        replica: database.replica.db,
        catchUp: walCatchUp(),
        after,
        retryMs: 10_000,
      },
    );

    expect(result).toEqual({ status: 'fulfilled', value: undefined });
    expect(report.outcome).toBe('not_found');
    expect(orderReadsOf(database.primary)).toEqual([]);
    expect(database.primary.queries.slice(queriesBefore)).toEqual([
      expect.stringContaining('pg_current_wal_insert_lsn()'),
    ]);
  },
);
