import type { Kysely } from 'kysely';
import { createReplicaFallback, type ReplicaFallback } from 'kysely-replica-fallback';
import { createCausalSession, walCatchUp } from 'kysely-replica-fallback/postgres';
import { expect, test } from 'vitest';
import { changingOrders } from '../support/changing-orders.ts';
import { keepSessionsBusy } from '../support/consistency/busy-sessions.ts';
import { findViolations, type Guarantee } from '../support/consistency/find-violations.ts';
import type { Operation } from '../support/consistency/operation.ts';
import type { AnySession } from '../support/consistency/recorded-session.ts';
import type { OrdersDatabase } from '../support/orders.ts';
import { TOPOLOGIES } from '../support/topologies.ts';
import { unchecked } from '../support/wrong-checks.ts';

const { cluster, primary } = await changingOrders();
await cluster.replicas[0]?.setApplyDelay(25);
await cluster.replicas[1]?.setApplyDelay(60);

/** Why `proofs/sessions.test.ts` proves something: when a session lacks a part, what that part is for is seen to be lost. */

type Start = (read: ReplicaFallback<Kysely<OrdersDatabase>>, position?: string) => AnySession;

const inFull: Start = (read, position) => createCausalSession(read, { position });

/** A session that is changed in one way. */
function but(change: (session: AnySession) => Partial<AnySession>): Start {
  return (from, position) => {
    const session = inFull(from, position);
    return {
      read: (query, overrides) => session.read(query, overrides),
      wrote: (written) => session.wrote(written),
      position: () => session.position(),
      ...change(session),
    };
  };
}

interface BrokenSession {
  readonly broken: string;
  readonly start?: Start;
  readonly catchUp?: typeof unchecked;
  /** What it does not keep. All else it does. */
  readonly lost: readonly Guarantee[];
}

const BROKEN: readonly BrokenSession[] = [
  {
    broken: 'there is no session',
    start: (read) => ({ read, wrote() {}, position: async () => undefined }),
    lost: ['own writes', 'monotonic reads'],
  },
  {
    broken: 'nothing is checked',
    catchUp: unchecked,
    lost: ['own writes', 'monotonic reads', 'now'],
  },
  {
    broken: 'a session does not hear of its writes',
    start: but(() => ({ wrote() {} })),
    lost: ['own writes'],
  },
  {
    broken: 'a session does not remember its reads',
    start: (read, position) => createCausalSession(read, { position, monotonicReads: false }),
    lost: ['monotonic reads'],
  },
  {
    broken: "reads are not after 'now'",
    start: but((session) => ({
      read: (query, overrides) => session.read(query, { ...overrides, after: undefined }),
    })),
    lost: ['now'],
  },
];

const ENOUGH = 5;
const MOST = 20_000;

function countViolations(history: readonly Operation[], of: Guarantee): number {
  return findViolations(history).filter(({ guarantee }) => guarantee === of).length;
}

const cases = TOPOLOGIES.flatMap(({ topology, open, obstacle }) =>
  BROKEN.map((session) => ({ topology, open, obstacle, broken: session.broken, session })),
);

// That an older answer is seen is a matter of moments: once in three times is proof.
test.for(cases)(
  'finds over $topology that $broken, and nothing else',
  { retry: 2, timeout: 100_000 },
  async ({ open, obstacle, session }, { skip }) => {
    skip(obstacle !== undefined, obstacle);
    const { start = inFull, catchUp = walCatchUp(), lost } = session;
    const replica = await open(cluster.replicas);
    const read = createReplicaFallback({ primary: primary.db, replica, catchUp });
    const { history } = await keepSessionsBusy({
      primary: primary.db,
      open: (position) => start(read, position),
      isEnough: (operations) =>
        operations.length >= MOST ||
        lost.every((guarantee) => countViolations(operations, guarantee) >= ENOUGH),
    });
    const guarantees = new Set(findViolations(history).map(({ guarantee }) => guarantee));
    expect(guarantees).toEqual(new Set(lost));
    for (const guarantee of lost) {
      expect(countViolations(history, guarantee)).toBeGreaterThanOrEqual(ENOUGH);
    }
  },
);
