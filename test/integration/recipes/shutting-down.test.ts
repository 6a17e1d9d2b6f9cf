import { withReplicaFallback } from 'kysely-replica-fallback';
import { walCatchUp } from 'kysely-replica-fallback/postgres';
import { expect, test } from 'vitest';
import { connect } from '../../support/connect.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);
await database.holdBack();
await database.write(addOrder('late'));

test.for([
  { wait: 'a guess', catchUp: undefined },
  { wait: 'informed', catchUp: walCatchUp() },
])(
  'reads that wait end at once when the service shuts down, where the wait is $wait',
  async ({ catchUp }) => {
    const { primary, replicas } = database.cluster;
    const primaryConnection = connect<OrdersDatabase>(primary.connectionString);
    const replicaConnection = connect<OrdersDatabase>(replicas[0].connectionString);
    const shutdown = new AbortController();
    const request = new AbortController();
    let misses = 0;
    const reads = Array.from({ length: 5 }, () =>
      withReplicaFallback((db) => findOrder(db, 'late').executeTakeFirst(), {
        primary: primaryConnection.db,
        replica: replicaConnection.db,
        catchUp,
        isMiss: () => ++misses > 0,
        retryMs: { min: 3_600_000, max: 3_600_000 },
        signal: AbortSignal.any([request.signal, shutdown.signal]),
      }),
    );
    const settled = Promise.allSettled(reads);
    await expect.poll(() => misses).toBe(5);

    const reason = new Error('The service is shutting down.');
    shutdown.abort(reason);

    const rejected = { status: 'rejected', reason };
    expect(await settled).toEqual(Array.from({ length: 5 }, () => rejected));
    await Promise.all([primaryConnection.end(), replicaConnection.end()]);
    expect(replicaConnection.pool.totalCount).toBe(0);
  },
);
