import { Kysely, PostgresDialect, sql } from 'kysely';
import type { Outcome } from 'kysely-replica-fallback';
import { createReplicaFallback } from 'kysely-replica-fallback';
import { afterAll, expect, test } from 'vitest';
import { connect } from '../support/connect.ts';
import { gaugedCatchUp } from '../support/gauged-catch-up.ts';
import { readHeapBytes } from '../support/heap.ts';
import { createOrders, findOrder, type OrdersDatabase } from '../support/orders.ts';
import { openSharedCluster } from '../support/shared-cluster.ts';

const cluster = await openSharedCluster();
const connections = [cluster.primary, ...cluster.replicas].map(({ connectionString }) =>
  connect<OrdersDatabase>(connectionString),
);
/** Without a list of all queries, which grows. */
const clients = connections.map(
  ({ pool }) => new Kysely<OrdersDatabase>({ dialect: new PostgresDialect({ pool }) }),
);
const [primary, ...replicas] = clients as [Kysely<OrdersDatabase>, ...Kysely<OrdersDatabase>[]];
await createOrders(primary);
await Promise.all(cluster.replicas.map((replica) => replica.waitForReplay()));
afterAll(async () => {
  await Promise.all(connections.map((connection) => connection.end()));
  await cluster.stop();
});

const READS = 10_000;
const WINDOW_MS = 60_000;

/** Adds orders, and reads them all at once: each is missing at first. Says how the reads ended. */
async function missTogether(round: string, reads: number) {
  await Promise.all(cluster.replicas.map((replica) => replica.pauseReplay()));
  await sql`
    insert into orders select ${round} || id, 1 from generate_series(1, ${reads}) as id`.execute(
    primary,
  );
  const gauged = gaugedCatchUp();
  const outcomes: Partial<Record<Outcome, number>> = {};
  const read = createReplicaFallback({
    primary,
    replica: replicas,
    catchUp: gauged.catchUp,
    retryMs: WINDOW_MS,
    onOutcome({ outcome }) {
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    },
  });
  let firstAnswers = 0;
  let found = 0;
  const { promise: allHaveMissed, resolve } = Promise.withResolvers<void>();
  const readOne = async (id: string): Promise<void> => {
    const order = await read(async (db, { source }) => {
      const answer = await findOrder(db, id).executeTakeFirst();
      if (source === 'replica' && ++firstAnswers === reads) resolve();
      return answer;
    });
    if (order?.id === id) found++;
  };
  const reading = Promise.all(
    Array.from({ length: reads }, (_, id) => readOne(`${round}${id + 1}`)),
  );
  await allHaveMissed;
  await Promise.all(cluster.replicas.map((replica) => replica.resumeReplay()));
  await reading;
  return {
    found,
    outcomes,
    positionQueries: gauged.positionQueries,
    watchQueries: replicas.map((replica) => gauged.watchQueries(replica)),
  };
}

test(
  '10,000 reads that miss together share one position query, watch each replica by a few queries, and leave nothing behind',
  { timeout: 120_000 },
  async () => {
    await missTogether('warm-up-', 500);
    const heapBefore = await readHeapBytes();

    const seen = await missTogether('order-', READS);

    expect(seen).toEqual({
      found: READS,
      outcomes: { replica_retry: READS },
      positionQueries: expect.objectContaining({ total: 1, most: 1 }),
      watchQueries: [expect.anything(), expect.anything()],
    });
    // One that waits in the pool's queue for longer than a second, then two, then four, counts as lost, and is replaced.
    for (const { most, total } of seen.watchQueries) {
      expect(most).toBeLessThanOrEqual(4);
      expect(total).toBeLessThan(50);
    }
    expect((await readHeapBytes()) - heapBefore).toBeLessThan(2_000_000);
  },
);
