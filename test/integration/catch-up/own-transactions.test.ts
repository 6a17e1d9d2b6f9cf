import type { Kysely } from 'kysely';
import { walCatchUp, type WalCatchUpOptions } from 'kysely-replica-fallback/postgres';
import { expect, test } from 'vitest';
import { afterFirstAnswer } from '../../support/after-first-answer.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { seeRead } from '../../support/see-read.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);
await database.write(addOrder('there'));

/** A query with a transaction of its own. The standby catches up as soon as it has been read. */
function read(id: string, options: WalCatchUpOptions, after?: string) {
  return seeRead(
    (db: Kysely<OrdersDatabase>) =>
      db.transaction().execute((own) => findOrder(own, id).executeTakeFirst()),
    {
      primary: database.primary.db,
      replica: afterFirstAnswer(database.replica.db, () => database.catchUp()),
      catchUp: walCatchUp(options),
      after,
      retryMs: 10_000,
    },
  );
}

/** An order that the standby does not have yet. */
async function addLate(id: string): Promise<void> {
  await database.holdBack();
  await database.write(addOrder(id));
}

test('a query with a transaction of its own works where an attempt is checked on a connection', async () => {
  await addLate('connection');

  const { result, report } = await read('connection', { pin: 'connection' });
  expect(result).toMatchObject({ value: { id: 'connection', servedBy: 'replica' } });
  expect(report.outcome).toBe('replica_retry');

  const { result: after } = await read('there', { pin: 'connection' }, 'now');
  expect(after).toMatchObject({ value: { id: 'there', servedBy: 'replica' } });
});

test('a query with a transaction of its own fails where an attempt is checked in a transaction', async () => {
  const { report: hit } = await read('there', {});
  expect(hit.outcome).toBe('replica');

  await addLate('transaction');
  const { report: miss } = await read('transaction', {});
  const { report: after } = await read('there', {}, 'now');

  for (const { outcome, error } of [miss, after]) {
    expect(outcome).toBe('error');
    expect(String(error)).toContain('the transaction method for a Transaction is not supported');
  }
});
