import { createReplicaFallback } from 'kysely-replica-fallback';
import { expect, test } from 'vitest';
import { changingOrders } from '../support/changing-orders.ts';
import { balanced, listed, TOPOLOGIES, pooled } from '../support/topologies.ts';
import { readVersions } from '../support/version-readers.ts';
import {
  atRepeatableRead,
  insideTheStatement,
  onOneConnection,
  onTwoConnections,
  unchecked,
} from '../support/wrong-checks.ts';

const { cluster, primary, writers } = await changingOrders();
await cluster.replicas[1]?.setApplyDelay(50);

/** Why `walCatchUp` checks as it does, and why `proofs/never-older.test.ts` proves something: anything less is seen to fail. */

const WRONG_CHECKS = [
  { wrong: 'nothing is checked', catchUp: unchecked, over: [listed, balanced, pooled] },
  {
    wrong: 'the check is inside the statement',
    catchUp: insideTheStatement,
    over: [listed, balanced, pooled],
  },
  {
    wrong: 'the check is in a transaction at REPEATABLE READ',
    catchUp: atRepeatableRead,
    over: [listed, balanced, pooled],
  },
  {
    wrong: 'check and query are on two connections',
    catchUp: onTwoConnections,
    over: [balanced, pooled],
  },
  {
    wrong: 'check and query share no more than a connection',
    catchUp: onOneConnection,
    over: [pooled],
  },
];

const cases = TOPOLOGIES.flatMap(({ topology, open, obstacle }) =>
  WRONG_CHECKS.filter(({ over }) => over.includes(open)).map(({ wrong, catchUp }) => ({
    topology,
    open,
    obstacle,
    wrong,
    catchUp,
  })),
);

// That an older answer is seen is a matter of moments: once in three times is proof.
test.for(cases)(
  'gives older answers over $topology when $wrong',
  { retry: 2 },
  async ({ open, obstacle, catchUp }, { skip }) => {
    skip(obstacle !== undefined, obstacle);
    const replica = await open(cluster.replicas);
    const read = createReplicaFallback({ primary: primary.db, replica, catchUp });
    const tally = await readVersions({
      reads: 10_000,
      enough: 5,
      pick: writers.pickPositioned,
      read: (query, { position }, onOutcome) => read(query, { after: position, onOutcome }),
    });
    expect(tally.older).toBeGreaterThanOrEqual(5);
  },
);
