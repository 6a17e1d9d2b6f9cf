import type { Kysely } from 'kysely';
import { withReplicaFallback } from 'kysely-replica-fallback';
import { laggingReplica, type LaggingReplica } from 'kysely-replica-fallback/testing';
import { expectTypeOf, test } from 'vitest';

interface Database {
  orders: { id: string };
  items: { id: number };
}

declare const db: Kysely<Database>;

test('stands in for a replica of the same tables', () => {
  const replica = laggingReplica(db, { tables: ['orders', 'items'] });
  expectTypeOf(replica).toEqualTypeOf<LaggingReplica<Database>>();
  const order = withReplicaFallback(
    (client) => client.selectFrom('orders').selectAll().executeTakeFirst(),
    { primary: db, replica: replica.db },
  );
  expectTypeOf(order).resolves.toEqualTypeOf<{ id: string } | undefined>();
});

test('lags in tables of the client only', () => {
  // @ts-expect-error the client has no such table
  laggingReplica(db, { tables: ['order'] });
  // @ts-expect-error it has to be said which tables lag
  laggingReplica(db, {});
});
