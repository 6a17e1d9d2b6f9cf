import { createReplicaFallback } from 'kysely-replica-fallback';
import { walCatchUp } from 'kysely-replica-fallback/postgres';
import { expect, onTestFinished, test } from 'vitest';
import { changeLags } from '../support/changing-lags.ts';
import { changingOrders } from '../support/changing-orders.ts';
import { addOrder } from '../support/orders.ts';
import { TOPOLOGIES } from '../support/topologies.ts';
import { readVersions } from '../support/version-readers.ts';

const { cluster, primary } = await changingOrders();

const LADDERS = [
  { ladder: 'informed', catchUp: walCatchUp() },
  { ladder: 'blind', catchUp: undefined },
];

const cases = TOPOLOGIES.flatMap(({ topology, open, obstacle }) =>
  LADDERS.map(({ ladder, catchUp }) => ({ topology, open, obstacle, ladder, catchUp })),
);

let added = 0;

test.for(cases)(
  'finds a row that is on the primary over $topology, when it is $ladder',
  async ({ open, obstacle, ladder, catchUp }, { skip }) => {
    skip(obstacle !== undefined, obstacle);
    const replica = await open(cluster.replicas);
    const lags = changeLags(cluster.replicas);
    onTestFinished(() => lags.stop());
    const read = createReplicaFallback({ primary: primary.db, replica, catchUp });

    const { reads, older, outcomes } = await readVersions({
      reads: 1_000,
      pick: () => ({ id: `${ladder}-${++added}`, version: 1 }),
      async read(query, { id }, onOutcome) {
        await addOrder(id)(primary.db);
        return read(query, { onOutcome });
      },
    });

    expect({ reads, older }).toEqual({ reads: 1_000, older: 0 });
    expect(outcomes.replica_retry).toBeGreaterThan(0);
  },
);
