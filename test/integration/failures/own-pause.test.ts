import { setImmediate, setTimeout } from 'node:timers/promises';
import { type Kysely, sql } from 'kysely';
import { createReplicaFallback } from 'kysely-replica-fallback';
import { recordReads } from 'kysely-replica-fallback/testing';
import { afterAll, expect, test } from 'vitest';
import { connect } from '../../support/connect.ts';
import { openSharedCluster } from '../../support/shared-cluster.ts';

const READS = 40;

/** A server that stands still itself for up to a second still answers within it. */
const TIMEOUT_MS = 1_200;
const PAUSE_MS = 2 * TIMEOUT_MS;

const cluster = await openSharedCluster();
afterAll(() => cluster.stop());

function nap(db: Kysely<unknown>): Promise<unknown> {
  return sql`select pg_sleep(0.1)`.execute(db);
}

/** What a long garbage collection, or a large `JSON.parse`, does to everything else in the process. */
function pauseThisProcess(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

async function pauseAfter(ms: number, pauseMs: number): Promise<void> {
  await setTimeout(ms);
  await setImmediate(); // Its callbacks are followed by the timers, and only then by what has arrived.
  pauseThisProcess(pauseMs);
}

test.for([
  {
    when: 'the answers arrive in it',
    connections: READS,
    pause: () => pauseAfter(50, TIMEOUT_MS),
  },
  {
    when: 'it keeps the reads from the replica',
    connections: READS,
    pause: async () => pauseThisProcess(PAUSE_MS),
  },
  {
    when: 'it keeps the reads from the replica, and the answers arrive in another one',
    connections: READS,
    pause: async () => {
      pauseThisProcess(PAUSE_MS);
      await pauseAfter(50, TIMEOUT_MS);
    },
  },
  {
    when: 'it keeps connections from the reads that wait for one',
    connections: READS / 2,
    pause: () => pauseAfter(50, PAUSE_MS),
  },
])(
  'a pause of the own process that outlasts `replicaTimeoutMs` is no failure of the replica when $when',
  async ({ connections, pause }) => {
    const primary = connect(cluster.primary.connectionString);
    const replica = connect(cluster.replicas[0].connectionString, { max: connections });
    const { outcomes, onOutcome } = recordReads();
    const read = createReplicaFallback({
      primary: primary.db,
      replica: replica.db,
      replicaTimeoutMs: TIMEOUT_MS,
      onOutcome,
    });
    const times = Array.from({ length: READS });
    await Promise.all(times.map(() => nap(replica.db))); // Now the pool has its connections.

    const reads = times.map(() => read(nap));
    await pause();
    await Promise.all(reads);

    expect(outcomes).toEqual(Array(READS).fill('replica'));
    expect(primary.queries).toEqual([]);
    await Promise.all([primary.end(), replica.end()]);
  },
);
