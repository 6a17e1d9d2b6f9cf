import type { Kysely } from 'kysely';
import { type ReplicaFallbackOptions, withReplicaFallback } from 'kysely-replica-fallback';
import { describe, expect, test } from 'vitest';
import {
  addOrder,
  createOrders,
  findOrder,
  type FoundOrder,
  type OrdersDatabase,
} from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { watch } from '../../support/watch.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);
await database.write(addOrder('everywhere'));

type Options = ReplicaFallbackOptions<Kysely<OrdersDatabase>, FoundOrder | undefined>;

describe('a read asks the primary once, and counts nothing,', () => {
  type ToBypass = (options: Options) => Options;
  const read = async (id: string, toBypass: ToBypass) => {
    const { options, see, instruments } = watch(database);
    const order = await withReplicaFallback(
      (db) => findOrder(db, id).executeTakeFirst(),
      toBypass(options),
    );
    return { order, ...(await see()), instruments: await instruments() };
  };
  test.for<{ how: string; toBypass: ToBypass }>([
    { how: 'it is not enabled', toBypass: (options) => ({ ...options, enabled: false }) },
    { how: 'there is no replica', toBypass: ({ replica: _, ...options }) => options },
    {
      how: 'the primary is the replica',
      toBypass: (options) => ({ ...options, replica: options.primary }),
    },
  ])('when $how', async ({ toBypass }) => {
    const order = { id: 'everywhere', version: 1, servedBy: 'primary' } as const;
    expect(await read('everywhere', toBypass)).toEqual(bypassed(order));
    expect(await read('nowhere', toBypass)).toEqual(bypassed(undefined));
  });

  test.for(['transaction', 'primary'] as const)(
    'when its `%s` is a transaction, and sees what that has not committed',
    async (option) => {
      await database.primary.db.transaction().execute(async (trx) => {
        const id = `of a ${option}`;
        await addOrder(id)(trx);
        const toBypass: ToBypass = (options) => ({ ...options, [option]: trx });

        const order = { id, version: 1, servedBy: 'primary' } as const;
        expect(await read(id, toBypass)).toEqual(bypassed(order));
        expect(await read('nowhere', toBypass)).toEqual(bypassed(undefined));
      });
    },
  );
});

/** All that there is to see of a bypass. */
function bypassed(order: FoundOrder | undefined) {
  return {
    order,
    outcomes: [],
    asked: { replica: 0, primary: 1 },
    misses: [],
    logged: [],
    instruments: [],
  };
}
