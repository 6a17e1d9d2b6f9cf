import { setTimeout as sleep } from 'node:timers/promises';
import { createSnapshotTables, type SnapshotTables } from 'kysely-replica-fallback/snapshots';
import {
  type Replica,
  type ReplicationCluster,
  startReplicationCluster,
} from 'kysely-replica-fallback/testing';
import { startBalancer } from '../support/balancer.ts';
import { connect } from './connect.ts';
import type { Extent } from './extent.ts';
import { type Harvest, runClosedLoop } from './load/closed-loop.ts';
import { type ServiceProcess, startServiceProcess } from './load/service-process.ts';

/** How many clients it may take to the highest throughput. */
const CLIENTS = [4, 8, 16, 32, 64];
/** A service and what came of its turns. */
interface Candidate {
  readonly name: string;
  readonly service: ServiceProcess;
  readonly turns: Turn[];
}

interface Turn extends Harvest {
  readonly heapBytes: number;
}

/**
 * The example's service at its highest throughput, with two standbys behind one address, of which one is restarted in each
 * turn. Beside it, the same service on the primary alone, whose turns have a restart as well.
 *
 * @throws Error for an answer that is neither what was asked for nor a 503, for which there should be no reason
 */
export async function benchLoad(_: ReplicationCluster, { isQuick }: Extent): Promise<void> {
  await using cluster = await startReplicationCluster({ replicas: 2 });
  const { primary, replicas } = cluster;
  {
    await using db = connect<SnapshotTables>(primary.connectionString);
    await createSnapshotTables(db);
  }
  await Promise.all(replicas.map((each) => each.waitForReplay()));
  const balancer = await startBalancer(replicas.map((each) => each.connectionString));
  try {
    const urls = { primary: primary.connectionString, replica: balancer.connectionString };
    await using alone = await startServiceProcess(urls, false);
    await using fallback = await startServiceProcess(urls, true);
    const candidates: readonly [Candidate, Candidate] = [
      { name: 'on the primary alone', service: alone, turns: [] },
      { name: 'with its standbys', service: fallback, turns: [] },
    ];
    await compare(candidates, replicas, isQuick);
  } finally {
    await balancer.stop();
  }
}

async function compare(
  candidates: readonly [Candidate, Candidate],
  replicas: readonly Replica[],
  isQuick: boolean,
): Promise<void> {
  const clients = await findClients(candidates, isQuick ? 1 : 5);
  const turnMs = isQuick ? 5_000 : 20_000;
  const turns = isQuick ? 1 : 15;
  for (let turn = 0; turn < turns; turn++) {
    const standby = replicas[turn % replicas.length]!;
    for (const each of candidates)
      each.turns.push(await take(each.service, clients, turnMs, standby));
  }

  const seconds = (turns * turnMs) / 1_000;
  console.log(
    `\nThe example's service under ${clients} clients for ${seconds} s, in turns of ${turnMs / 1_000} s, each with a restart of a standby\n`,
  );
  const [baseline] = candidates;
  console.table(candidates.map((each) => rowOf(each, baseline, seconds)));
}

/** As many clients as it takes to come within a twentieth of the highest throughput. They take turns, too. */
async function findClients(candidates: readonly Candidate[], rounds: number): Promise<number> {
  const answers = CLIENTS.map(() => 0);
  for (let round = 0; round < rounds; round++) {
    for (const [index, clients] of CLIENTS.entries()) {
      for (const { service } of candidates) {
        answers[index]! += (await runClosedLoop(service.url, clients, 1_000)).times.length;
      }
    }
  }
  const highest = Math.max(...answers);
  return CLIENTS[answers.findIndex((count) => count >= highest * 0.95)]!;
}

async function take(
  service: ServiceProcess,
  clients: number,
  ms: number,
  standby: Replica,
): Promise<Turn> {
  const [harvest] = await Promise.all([
    runClosedLoop(service.url, clients, ms),
    sleep(ms / 4).then(() => standby.restart()),
  ]);
  const wrong = harvest.errors.find((error) => error !== '503');
  if (wrong !== undefined) throw new Error(`A request ended in ${wrong}.`);
  return { ...harvest, heapBytes: await service.heapBytes() };
}

function rowOf({ name, turns }: Candidate, baseline: Candidate, seconds: number): object {
  const times = timesOf(turns);
  const others = timesOf(baseline.turns);
  const quantile = (share: number): string => {
    const [own = Number.NaN, other = Number.NaN] = [times, others].map(
      (sorted) => sorted[Math.floor(sorted.length * share)],
    );
    return `${own.toFixed(1)} (${(own / other).toFixed(2)})`;
  };
  return {
    service: name,
    'answers /s': `${Math.round(times.length / seconds)} (${(times.length / others.length).toFixed(2)})`,
    'p50, ms': quantile(0.5),
    'p99, ms': quantile(0.99),
    '503s': turns.reduce((count, { errors }) => count + errors.length, 0),
    'heap after the first turn, MB': megabytes(turns[0]),
    'after the last': megabytes(turns.at(-1)),
  };
}

function timesOf(turns: readonly Turn[]): Float64Array {
  return Float64Array.from(turns.flatMap(({ times }) => times)).toSorted();
}

function megabytes(turn: Turn | undefined): string {
  return ((turn?.heapBytes ?? Number.NaN) / 1024 ** 2).toFixed(1);
}
