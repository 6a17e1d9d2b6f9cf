import { createReplicaFallback } from 'kysely-replica-fallback';
import {
  createCausalSession,
  replicaUnavailable,
  walCatchUp,
} from 'kysely-replica-fallback/postgres';
import { expect, onTestFinished, test } from 'vitest';
import { changeLags, crash, pauseOfReplay, restart } from '../support/changing-lags.ts';
import { changingOrders } from '../support/changing-orders.ts';
import { type BusyHistory, keepSessionsBusy } from '../support/consistency/busy-sessions.ts';
import { findViolations } from '../support/consistency/find-violations.ts';
import { isAnswered } from '../support/consistency/operation.ts';
import { PRIMARY } from '../support/consistency/recorded-session.ts';
import { TOPOLOGIES } from '../support/topologies.ts';

const { cluster, primary } = await changingOrders();

/** 32 sessions read and write, while standbys lag and change their lag, stop to replay, are restarted and crash. */

const TOTAL = Number(process.env['KYSELY_REPLICA_FALLBACK_TEST_READS'] || 18_000);
const OPERATIONS = TOTAL / TOPOLOGIES.filter(({ obstacle }) => obstacle === undefined).length;
/** Longer than a read waits by default. */
const LONG_MS = 500;
const MISHAPS = [pauseOfReplay(LONG_MS), restart, crash];

/** Otherwise the primary may have hidden what the standbys would have answered. */
function expectStandbysToHaveServed({ history, outcomes, waited, failedOver }: BusyHistory): void {
  const reads = history.filter(isAnswered).filter(({ kind }) => kind === 'read');
  const byStandbys = reads.filter(({ servedBy }) => servedBy !== PRIMARY);
  expect(byStandbys.length / reads.length).toBeGreaterThan(0.3);
  expect(new Set(byStandbys.map(({ servedBy }) => servedBy)).size).toBeGreaterThanOrEqual(2);
  expect(outcomes.replica_retry).toBeGreaterThan(0);
  expect(waited).toBeGreaterThan(0);
  expect(failedOver).toBeGreaterThan(0);
}

test.for(TOPOLOGIES)(
  'sessions see their own writes, and never less than before, over $topology',
  { timeout: 60_000 + OPERATIONS * 10, retry: 0 },
  async ({ open, obstacle }, { skip }) => {
    skip(obstacle !== undefined, obstacle);
    const read = createReplicaFallback({
      primary: primary.db,
      replica: await open(cluster.replicas),
      isUnavailable: replicaUnavailable,
      catchUp: walCatchUp(),
    });
    const lags = changeLags(cluster.replicas, MISHAPS);
    onTestFinished(() => lags.stop());

    const busy = await keepSessionsBusy({
      primary: primary.db,
      open: (position) => createCausalSession(read, { position }),
      isEnough: ({ length }) =>
        length >= OPERATIONS && lags.mishaps.every((count) => count >= MISHAPS.length),
    });

    expect(findViolations(busy.history)).toEqual([]);
    expectStandbysToHaveServed(busy);
  },
);
