import { type Kysely, sql } from 'kysely';
import { noRow, withReplicaFallback } from 'kysely-replica-fallback';
import { afterEach, describe, expect, test } from 'vitest';
import { createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { watch } from '../../support/watch.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);

describe('an SQL error', () => {
  afterEach(() => database.catchUp());

  const sources = [
    { failing: 'replica', asked: { replica: 1, primary: 0 } },
    { failing: 'replica_retry', asked: { replica: 2, primary: 0 } },
    { failing: 'primary', asked: { replica: 2, primary: 1 } },
  ] as const;
  describe.for([
    { code: '22012', fail: sql`select 1 / 0` },
    { code: '42P01', fail: sql`table no_such_table` },
  ])('$code', ({ code, fail }) => {
    test.for(sources)(
      'of $failing ends the read with that same error',
      async ({ failing, asked }) => {
        let thrown: unknown;
        const { options, see } = watch(database);

        const read = withReplicaFallback(
          async (db, { source }) => {
            if (source !== failing) return findOrder(db, 'nowhere').executeTakeFirst();
            return fail.execute(db).catch((error: unknown) => {
              thrown = error;
              throw error;
            });
          },
          { ...options, isMiss: noRow },
        );

        await expect(read).rejects.toMatchObject({ code });
        await expect(read).rejects.toBe(thrown);
        expect(await see()).toEqual({
          outcomes: ['error'],
          asked,
          misses: [],
          logged: [`error during ${failing}`],
        });
      },
    );
  });

  test('of a replica that does not have the table yet does not move the read to the primary', async () => {
    await database.holdBack();
    await database.write((db) => sql`create table invoices ()`.execute(db));
    expect(await countInvoices(database.primary.db)).toBe(0);
    const { options, see } = watch(database);

    const read = withReplicaFallback(countInvoices, options);

    await expect(read).rejects.toMatchObject({ code: '42P01' });
    expect(await see()).toMatchObject({ asked: { replica: 1, primary: 0 } });
  });
});

async function countInvoices(db: Kysely<OrdersDatabase>): Promise<number> {
  return (await sql`table invoices`.execute(db)).rows.length;
}
