import type { Played, Sample } from './play.ts';
import { PRIMARY_ONLY, REPLICA_ONLY, WINDOW_MS } from './policies.ts';

/** What came of a policy under a profile. Times are in milliseconds. */
export interface Summary {
  readonly policy: string;
  /** Of the reads of new rows, the share that found none. From 0 to 1. */
  readonly lost: number;
  /** Of the reads of changed rows, the share that found an old version. */
  readonly stale: number;
  /** The share of all reads that did not ask the primary for their row. */
  readonly onReplica: number;
  readonly primaryRowsPerSecond: number;
  readonly primaryOthersPerSecond: number;
  readonly replicaQueriesPerRead: number;
  readonly all: Times;
  /** Of the reads of a new row that began before the standby had it. */
  readonly late: Times;
}

interface Times {
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

export const CLAIRVOYANT = 'clairvoyant (computed)';

export function summarize(played: readonly Played[], seconds: number): Summary[] {
  const summaries = played.map(({ policy: { name, counts }, samples }): Summary => {
    const reads = samples.length;
    return {
      ...judge(name, samples),
      onReplica: 1 - counts.primaryRows / reads,
      primaryRowsPerSecond: counts.primaryRows / seconds,
      primaryOthersPerSecond: counts.primaryOthers / seconds,
      replicaQueriesPerRead: counts.replica / reads,
    };
  });
  return [...summaries, foresee(played, seconds)];
}

function judge(policy: string, samples: readonly Sample[]) {
  const ofNew = samples.filter(({ kind }) => kind === 'insert');
  const ofChanged = samples.filter(({ kind }) => kind === 'update');
  return {
    policy,
    lost: ofNew.filter(({ isFalseNotFound }) => isFalseNotFound).length / ofNew.length,
    stale: ofChanged.filter(({ isStale }) => isStale).length / ofChanged.length,
    all: timesOf(samples),
    late: timesOf(samples.filter(isLate)),
  };
}

function isLate({ kind, restMs }: Sample): boolean {
  return kind === 'insert' && restMs > 0;
}

/**
 * The limit of what can be had: it knows when the standby will show each row. It waits just that long if that is within the
 * window, and else asks the primary at once. A query takes as long as the same one took those who asked at that moment.
 */
function foresee(played: readonly Played[], seconds: number): Summary {
  const of = (name: string) => played.find(({ policy }) => policy.name === name)?.samples ?? [];
  const onPrimary = of(PRIMARY_ONLY);
  let primaryRows = 0;
  const samples: Sample[] = [];
  for (const [index, { kind, restMs, tookMs }] of of(REPLICA_ONLY).entries()) {
    const isInTime = restMs <= WINDOW_MS;
    if (!isInTime) primaryRows++;
    samples.push({
      kind,
      restMs,
      tookMs: isInTime ? Math.max(0, restMs) + tookMs : (onPrimary[index]?.tookMs ?? Number.NaN),
      isFalseNotFound: false,
      isStale: false,
    });
  }
  const reads = samples.length;
  return {
    ...judge(CLAIRVOYANT, samples),
    onReplica: 1 - primaryRows / reads,
    primaryRowsPerSecond: primaryRows / seconds,
    primaryOthersPerSecond: 0,
    replicaQueriesPerRead: 1 - primaryRows / reads,
  };
}

function timesOf(samples: readonly Sample[]): Times {
  const sorted = samples.map(({ tookMs }) => tookMs).toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
  const sum = sorted.reduce((total, value) => total + value, 0);
  return { mean: sum / sorted.length, p50: at(0.5), p99: at(0.99), p999: at(0.999) };
}
