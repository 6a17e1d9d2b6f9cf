import { type Kysely, NoResultError } from 'kysely';
import { noRow, withReplicaFallback } from 'kysely-replica-fallback';
import { afterEach, describe, expect, test } from 'vitest';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { watch } from '../../support/watch.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);

describe('a read of one order', () => {
  afterEach(() => database.catchUp());

  test('is served by a replica that has the order, and the primary is not asked', async () => {
    await database.write(addOrder('replayed'));
    const { options, see } = watch(database);

    const order = await withReplicaFallback((db) => findOrder(db, 'replayed').executeTakeFirst(), {
      ...options,
      isMiss: noRow,
    });

    expect(order).toEqual({ id: 'replayed', version: 1, servedBy: 'replica' });
    expect(await see()).toEqual({
      outcomes: ['replica'],
      asked: { replica: 1, primary: 0 },
      misses: [],
      logged: [],
    });
  });

  test('is served by a replica that catches up before it is asked again, and the primary is not asked', async () => {
    await database.holdBack();
    await database.write(addOrder('late'));
    const { options, see } = watch(database);

    const order = await withReplicaFallback(
      async (db, { source }) => {
        if (source === 'replica_retry') await database.catchUp();
        return findOrder(db, 'late').executeTakeFirst();
      },
      { ...options, isMiss: noRow, retryMs: { delays: () => [1, 1, 1] } },
    );

    expect(order).toEqual({ id: 'late', version: 1, servedBy: 'replica' });
    expect(await see()).toEqual({
      outcomes: ['replica_retry'],
      asked: { replica: 2, primary: 0 },
      misses: [[{ outcome: 'replica_retry' }, 1]],
      logged: [],
    });
  });

  test('is served by a replica that applies a second late when the policy is patient', async () => {
    const [standby] = database.cluster.replicas;
    await standby.setApplyDelay(1000);
    await addOrder('delayed')(database.primary.db);
    const { options, see } = watch(database);
    const patient = { delays: () => Array<number>(100).fill(100) };

    const order = await withReplicaFallback((db) => findOrder(db, 'delayed').executeTakeFirst(), {
      ...options,
      isMiss: noRow,
      retryMs: patient,
    });
    await standby.setApplyDelay(0);

    expect(order).toEqual({ id: 'delayed', version: 1, servedBy: 'replica' });
    expect(await see()).toMatchObject({ asked: { primary: 0 }, logged: [] });
  });

  test.for([
    { retries: 'one retry', retryMs: 1, replica: 2 },
    { retries: 'no retry', retryMs: { max: 0 }, replica: 1 },
  ])(
    'is served by the primary, with one warning, when the replica is held back and there is $retries',
    async ({ retries, retryMs, replica }) => {
      await database.holdBack();
      await database.write(addOrder(retries));
      const { options, see } = watch(database);

      const order = await withReplicaFallback((db) => findOrder(db, retries).executeTakeFirst(), {
        ...options,
        isMiss: noRow,
        retryMs,
      });

      expect(order).toEqual({ id: retries, version: 1, servedBy: 'primary' });
      expect(await see()).toEqual({
        outcomes: ['primary'],
        asked: { replica, primary: 1 },
        misses: [[{ outcome: 'primary' }, 1]],
        logged: ['warn'],
      });
    },
  );

  test('gives undefined, and counts no miss, when the order is nowhere', async () => {
    const { options, see } = watch(database);

    const order = await withReplicaFallback((db) => findOrder(db, 'nowhere').executeTakeFirst(), {
      ...options,
      isMiss: noRow,
    });

    expect(order).toBeUndefined();
    expect(await see()).toEqual({
      outcomes: ['not_found'],
      asked: { replica: 2, primary: 1 },
      misses: [],
      logged: [],
    });
  });

  test("rejects with the primary's NoResultError, and logs it, when the order has to be there and is nowhere", async () => {
    const errors: unknown[] = [];
    const findNowhere = async (db: Kysely<OrdersDatabase>) => {
      try {
        return await findOrder(db, 'nowhere').executeTakeFirstOrThrow();
      } catch (error) {
        errors.push(error);
        throw error;
      }
    };
    const { options, see } = watch(database);

    const read = withReplicaFallback(findNowhere, { ...options, isMiss: noRow });

    await expect(read).rejects.toBeInstanceOf(NoResultError);
    await expect(read).rejects.toBe(errors[2]);
    expect(await see()).toEqual({
      outcomes: ['not_found'],
      asked: { replica: 2, primary: 1 },
      misses: [],
      logged: ['error during primary'],
    });
  });
});
