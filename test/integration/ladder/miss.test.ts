import { sql } from 'kysely';
import {
  type MissClassifier,
  noRow,
  noRows,
  returned,
  withReplicaFallback,
} from 'kysely-replica-fallback';
import { afterEach, describe, expect, test } from 'vitest';
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

describe('a read', () => {
  afterEach(() => database.catchUp());

  const stale = { version: 1, servedBy: 'replica' };
  const fresh = { version: 2, servedBy: 'primary' };
  test.for<{ id: string; isMiss: MissClassifier<FoundOrder>; expected: typeof stale }>([
    { id: 'any version', isMiss: noRow, expected: stale },
    { id: 'version 1', isMiss: returned(({ version }) => version < 1), expected: stale },
    { id: 'version 2', isMiss: returned(({ version }) => version < 2), expected: fresh },
  ])(
    'that accepts $id gets $expected when only the primary has version 2',
    async ({ id, isMiss, expected }) => {
      await database.write(addOrder(id, 1));
      await database.holdBack();
      await database.write((db) =>
        db.updateTable('orders').set({ version: 2 }).where('id', '=', id).execute(),
      );
      const { options, see } = watch(database);

      const order = await withReplicaFallback((db) => findOrder(db, id).executeTakeFirstOrThrow(), {
        ...options,
        isMiss,
      });

      expect(order).toEqual({ id, ...expected });
      expect(await see()).toMatchObject({ outcomes: [expected.servedBy] });
    },
  );

  test.for([
    { by: 'noRow', isMiss: noRow, found: [], outcome: 'replica' },
    { by: 'noRows', isMiss: noRows, found: [{ id: 'raw' }], outcome: 'primary' },
  ])(
    'of raw rows gets $found from the $outcome by $by when only the primary has them',
    async ({ isMiss, found, outcome }) => {
      await database.holdBack();
      await database.write(addOrder('raw'));
      const { options, see } = watch(database);

      const { rows } = await withReplicaFallback(
        (db) => sql`select id from orders where id = 'raw'`.execute(db),
        { ...options, isMiss },
      );

      expect(rows).toEqual(found);
      expect(await see()).toMatchObject({ outcomes: [outcome] });
      await database.write((db) => db.deleteFrom('orders').execute());
    },
  );
});
