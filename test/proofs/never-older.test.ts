import { createReplicaFallback } from 'kysely-replica-fallback';
import { walCatchUp } from 'kysely-replica-fallback/postgres';
import type { PoolConfig } from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { changeLags } from '../support/changing-lags.ts';
import { changingOrders } from '../support/changing-orders.ts';
import { balanced, listed, TOPOLOGIES, pooled, type Topology } from '../support/topologies.ts';
import { readVersions, type Tally } from '../support/version-readers.ts';

const { cluster, primary, writers } = await changingOrders();

/** Orders are updated all the time, and 32 readers look for answers that are older than promised. */

const READS = Number(process.env['KYSELY_REPLICA_FALLBACK_TEST_READS'] || 10_000);
const timeout = 60_000 + READS * 10;

/** A read over standbys whose lags differ and change until the test ends. */
async function openRead(open: Topology, catchUp = walCatchUp(), config: PoolConfig = {}) {
  const replica = await open(cluster.replicas, config);
  const lags = changeLags(cluster.replicas);
  onTestFinished(() => lags.stop());
  return createReplicaFallback({ primary: primary.db, replica, catchUp });
}

/** Otherwise the primary may have hidden what the standbys would have answered. */
function expectStandbysToHaveServed({ reads, outcomes, standbys }: Tally): void {
  const shares = Object.values(standbys).map((answers) => answers / reads);
  expect(shares).toHaveLength(2);
  expect(Math.min(...shares)).toBeGreaterThan(0.1);
  expect(shares.reduce((sum, share) => sum + share)).toBeGreaterThan(0.5);
  expect(outcomes.replica_retry).toBeGreaterThan(0); // and one was behind at first
}

test.for(TOPOLOGIES)(
  'never gives an answer that is older than the position, over $topology',
  { timeout, retry: 0 },
  async ({ open, obstacle }, { skip }) => {
    skip(obstacle !== undefined, obstacle);
    const read = await openRead(open);
    const tally = await readVersions({
      reads: READS,
      pick: writers.pickPositioned,
      read: (query, { position }, onOutcome) => read(query, { after: position, onOutcome }),
    });
    expect(tally).toMatchObject({ reads: READS, older: 0 });
    expectStandbysToHaveServed(tally);
  },
);

test.for(TOPOLOGIES)(
  "a read after 'now' sees what was acknowledged before it began, over $topology",
  { timeout, retry: 0 },
  async ({ open, obstacle }, { skip }) => {
    skip(obstacle !== undefined, obstacle);
    const read = await openRead(open);
    const tally = await readVersions({
      reads: READS / 5,
      pick: writers.pick,
      read: (query, _wanted, onOutcome) => read(query, { after: 'now', onOutcome }),
    });
    expect(tally).toMatchObject({ reads: READS / 5, older: 0 });
    expectStandbysToHaveServed(tally);
  },
);

const variants = [
  { pin: 'connection', pipeline: false, over: [listed, balanced] },
  { pin: 'connection', pipeline: true, over: [listed, balanced] },
  { pin: 'transaction', pipeline: true, over: [listed, balanced, pooled] },
] as const;

const cases = TOPOLOGIES.flatMap(({ topology, open, obstacle }) =>
  variants
    .filter(({ over }) => over.some((each) => each === open))
    .map(({ pin, pipeline }) => ({ topology, open, obstacle, pin, pipeline })),
);

test.for(cases)(
  'never gives an older answer over $topology, pinned to a $pin, with pipeline $pipeline',
  { timeout, retry: 0 },
  async ({ open, obstacle, pin, pipeline }, { skip }) => {
    skip(obstacle !== undefined, obstacle);
    const read = await openRead(open, walCatchUp({ pin, pipeline }), { pipeline });
    const tally = await readVersions({
      reads: READS / 5,
      pick: writers.pickPositioned,
      read: (query, { position }, onOutcome) => read(query, { after: position, onOutcome }),
    });
    expect(tally).toMatchObject({ reads: READS / 5, older: 0 });
    expectStandbysToHaveServed(tally);
  },
);
