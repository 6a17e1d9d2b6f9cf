import { setTimeout as sleep } from 'node:timers/promises';
import { createSnapshotTables, type SnapshotTables } from 'kysely-replica-fallback/snapshots';
import type { Replica, ReplicationCluster } from 'kysely-replica-fallback/testing';
import { connect } from './connect.ts';
import type { Extent } from './extent.ts';
import { type Harvest, runClosedLoop } from './load/closed-loop.ts';
import { type ServiceProcess, startServiceProcess } from './load/service-process.ts';

/** How many clients it may take to the highest throughput. */
const CLIENTS = [4, 8, 16, 32, 64];
/** How long after a restart of the standby some reads may not get to it yet. */
const AFTERMATH_MS = 2_000;

/** A service and what came of its turns. */
interface Candidate {
  readonly name: string;
  readonly service: ServiceProcess;
  readonly turns: Turn[];
}

interface Turn extends Harvest {
  /** How many 503s there were while the standby was there. */
  readonly unexplained: number;
  readonly heapBytes: number;
}

/**
 * The example's service at its highest throughput while its standby is restarted, once in each turn, beside the same
 * service on the primary alone.
 *
 * @throws Error for an answer that is neither what was asked for nor a 503
 */
export async function benchLoad(cluster: ReplicationCluster, { isQuick }: Extent): Promise<void> {
  const [standby] = cluster.replicas;
  const urls = { primary: cluster.primary.connectionString, replica: standby.connectionString };
  {
    await using db = connect<SnapshotTables>(urls.primary);
    await createSnapshotTables(db);
  }
  await standby.waitForReplay();
  await using alone = await startServiceProcess(urls, false);
  await using fallback = await startServiceProcess(urls, true);
  const candidates: readonly [Candidate, Candidate] = [
    { name: 'on the primary alone', service: alone, turns: [] },
    { name: 'with its standby', service: fallback, turns: [] },
  ];

  const clients = await findClients(candidates, isQuick ? 1 : 5);
  const turnMs = isQuick ? 5_000 : 20_000;
  const turns = isQuick ? 1 : 15;
  for (let turn = 0; turn < turns; turn++) {
    for (const each of candidates)
      each.turns.push(await take(each.service, clients, turnMs, standby));
  }

  const seconds = (turns * turnMs) / 1_000;
  console.log(
    `\nThe example's service under ${clients} clients for ${seconds} s, in turns of ${turnMs / 1_000} s, each with a restart of the standby\n`,
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
  const [harvest, away] = await Promise.all([
    runClosedLoop(service.url, clients, ms),
    restartAfter(ms / 4, standby),
  ]);
  const wrong = harvest.errors.find(({ what }) => what !== '503');
  if (wrong !== undefined) throw new Error(`A request ended in ${wrong.what}.`);
  const unexplained = harvest.errors.filter(
    ({ at }) => at < away.from || at > away.to + AFTERMATH_MS,
  );
  const heapBytes = await service.heapBytes();
  return { ...harvest, unexplained: unexplained.length, heapBytes };
}

async function restartAfter(ms: number, standby: Replica): Promise<{ from: number; to: number }> {
  await sleep(ms);
  const from = performance.now();
  await standby.restart();
  return { from, to: performance.now() };
}

function rowOf({ name, turns }: Candidate, baseline: Candidate, seconds: number): object {
  const times = timesOf(turns);
  const others = timesOf(baseline.turns);
  const errors = sum(turns.map((turn) => turn.errors.length));
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
    '503s': `${((100 * errors) / (times.length + errors)).toFixed(2)} %`,
    '503s with the standby there': sum(turns.map(({ unexplained }) => unexplained)),
    'heap after the first turn, MB': megabytes(turns[0]),
    'after the last': megabytes(turns.at(-1)),
  };
}

function timesOf(turns: readonly Turn[]): Float64Array {
  return Float64Array.from(turns.flatMap(({ times }) => times)).toSorted();
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function megabytes(turn: Turn | undefined): string {
  return ((turn?.heapBytes ?? Number.NaN) / 1024 ** 2).toFixed(1);
}
