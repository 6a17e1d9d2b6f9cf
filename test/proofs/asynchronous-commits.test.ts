import type { Kysely } from 'kysely';
import { createReplicaFallback, type ReplicaFallback } from 'kysely-replica-fallback';
import { createCausalSession, walCatchUp } from 'kysely-replica-fallback/postgres';
import { recordReads } from 'kysely-replica-fallback/testing';
import { expect, onTestFinished, test } from 'vitest';
import { changeLags } from '../support/changing-lags.ts';
import { changingOrders } from '../support/changing-orders.ts';
import type { OrdersDatabase } from '../support/orders.ts';
import { listed } from '../support/topologies.ts';
import { readVersions, type SeenVersion } from '../support/version-readers.ts';

/** Nobody waits for a flush: a commit is acknowledged up to 200 ms before a standby can get it. */

const { cluster, primary, writers } = await changingOrders('synchronous_commit = off');

const READS = Number(process.env['KYSELY_REPLICA_FALLBACK_TEST_READS'] || 10_000) / 5;
const timeout = 60_000 + READS * 50;

type Query = (db: Kysely<OrdersDatabase>) => Promise<SeenVersion | undefined>;
type Read = ReplicaFallback<Kysely<OrdersDatabase>>;

const cases: readonly {
  what: string;
  ask: (read: Read, query: Query, after: string) => Promise<SeenVersion | undefined>;
}[] = [
  {
    what: 'a read after a position',
    ask: (read, query, position) => read(query, { after: position }),
  },
  { what: "a read after 'now'", ask: (read, query) => read(query, { after: 'now' }) },
  {
    what: 'a read of a session that has written',
    ask(read, query) {
      const session = createCausalSession(read);
      session.wrote();
      return session.read(query);
    },
  },
];

test.for(cases)('$what sees what was committed', { timeout, retry: 0 }, async ({ ask }) => {
  const replica = await listed(cluster.replicas);
  const lags = changeLags(cluster.replicas);
  onTestFinished(() => lags.stop());
  const { onOutcome, outcomes } = recordReads();
  const read = createReplicaFallback({
    primary: primary.db,
    replica,
    catchUp: walCatchUp(),
    onOutcome,
  });
  const { reads, older } = await readVersions({
    reads: READS,
    pick: writers.pickPositioned,
    read: (query, { position }) => ask(read, query, position),
  });
  expect({ reads, older }).toEqual({ reads: READS, older: 0 });
  expect(outcomes).toContain('replica_retry');
});
