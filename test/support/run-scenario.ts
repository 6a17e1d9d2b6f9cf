import { getEventListeners } from 'node:events';
import {
  attempted,
  type IsMiss,
  ReplicaBehindError,
  type ReplicaFallbackOptions,
  type ReadReport,
  withReplicaFallback,
} from 'kysely-replica-fallback';
import type { Meter } from '@opentelemetry/api';
import { createCatchUp } from 'kysely-replica-fallback/catch-up';
import {
  type Answer,
  type Choices,
  NEWEST,
  OLD,
  PRIMARY_MS,
  type Scenario,
} from './ladder-model.ts';

/** What must change nothing but times. */
export interface Circumstances {
  /** Whether replicas can wait for a position by themselves. */
  readonly waitOnServer: boolean;
  /** Whether queries end when their signal aborts. */
  readonly obeysSignal: boolean;
}

/** What came of a scenario's reads. */
export interface Observed {
  readonly choices: Choices;
  readonly reads: readonly ObservedRead[];
  readonly deposits: number;
  readonly withdrawals: number;
}

interface ObservedRead {
  readonly attempts: readonly { readonly replica: number; readonly as: string }[];
  readonly primaryQueries: number;
  readonly ending: { readonly ok: boolean; readonly given: unknown };
  readonly reports: readonly ReadReport[];
  readonly reason: unknown;
  readonly listeners: number;
}

interface Client {
  readonly name: number | 'primary';
}

/** What `isUnavailable` knows. */
export class Down extends Error {}

export const CLASSIFIER_ERROR = new Error('isMiss threw.');
export const PICKER_ERROR = new Error('pickReplica threw.');

/** Runs a scenario's reads for real, on the clock that the test has stopped. */
export async function runScenario(
  scenario: Scenario,
  { waitOnServer, obeysSignal }: Circumstances,
  meter: Meter,
): Promise<Observed> {
  const { answers, primaryAnswers, catchUp, delays } = scenario;
  const beganAt = performance.now();
  const primary: Client = { name: 'primary' };
  const replicas = scenario.replicas.map((_, name): Client => ({ name }));
  const starters: number[] = [];
  let deposits = 0;
  let withdrawals = 0;

  const storyOf = ({ name }: Client) => (name === 'primary' ? undefined : scenario.replicas[name]);
  const positionOf = (replica: Client): number => {
    const isThere = performance.now() - beganAt >= (storyOf(replica)?.catchesUpAt ?? 0);
    return isThere ? NEWEST : OLD;
  };
  const replayed = async (replica: Client) =>
    storyOf(replica)?.tells ? String(positionOf(replica)) : undefined;

  const read = async (number: number, abortsAt: number): Promise<ObservedRead> => {
    const attempts: { replica: number; as: string }[] = [];
    const reports: ReadReport[] = [];
    let heard = 0;
    let primaryQueries = 0;
    const abortion = new AbortController();
    const reason = new Error('The caller has gone.');
    const abort = () => abortion.abort(reason);
    if (abortsAt === 0) abort();
    const cancelAbort = Number.isFinite(abortsAt) ? later(abortsAt, abort) : undefined;

    const options: ReplicaFallbackOptions<Client, unknown> = {
      primary,
      replica: replicas,
      pickReplica: PICKERS[scenario.picks](replicas.length),
      enabled: !scenario.isBypassed,
      isMiss: CLASSIFIERS[scenario.isMiss],
      isUnavailable: scenario.knowsDown ? isDownOrAborted : undefined,
      replicaTimeoutMs: scenario.replicaTimeoutMs,
      retryMs:
        delays.length > 1 ? { delays: () => delays } : { min: delays[0] ?? 0, max: delays[0] ?? 0 },
      primaryBudget:
        scenario.hasSpill === undefined
          ? undefined
          : {
              deposit: () => void deposits++,
              withdraw() {
                withdrawals++;
                return scenario.hasSpill === true;
              },
            },
      catchUp:
        catchUp &&
        createCatchUp<Client>({
          async position() {
            if (catchUp.primary === 'hangs') await new Promise(() => {});
            if (catchUp.primary === 'fails') throw new Error('The primary gives no position.');
            return String(NEWEST);
          },
          replayed,
          whenReplayed(replica, position, timeoutMs) {
            if (!waitOnServer) return undefined;
            const arrivesAt = beganAt + (storyOf(replica)?.catchesUpAt ?? 0);
            const isInReach = Number(position) <= NEWEST;
            const leftMs = isInReach ? arrivesAt - performance.now() : Infinity;
            return new Promise((resolve) => {
              if (leftMs < timeoutMs) later(leftMs, () => resolve('reached'));
              else later(timeoutMs, () => resolve('behind'));
            });
          },
          compare: (has, needs) => (Number(has) >= Number(needs) ? 'reached' : 'behind'),
          async runAt(replica, position, query) {
            const isThere = storyOf(replica)?.tells && positionOf(replica) >= Number(position);
            if (isThere) return query(replica);
            attempts.push({ replica: Number(replica.name), as: 'behind' });
            throw new ReplicaBehindError('behind');
          },
        }),
      after: catchUp?.after === undefined ? undefined : String(catchUp.after),
      coalesceKey: scenario.isCoalesced ? 'key' : undefined,
      operation: 'read',
      signal: abortion.signal,
      meter,
      onOutcome: (report) => void reports.push(report),
    };
    const result = withReplicaFallback<Client, unknown>((db, { source, signal }) => {
      const ending = obeysSignal ? signal : undefined;
      if (db.name === 'primary') {
        primaryQueries++;
        const shared = scenario.isCoalesced && !scenario.isBypassed;
        const query = shared ? starters.push(number) - 1 : 0;
        return give(primaryAnswers[query % primaryAnswers.length]!, PRIMARY_MS, ending);
      }
      attempts.push({ replica: db.name, as: source });
      const answer = answers[heard++ % answers.length]!;
      return give(answer, answer.takesMs, ending);
    }, options);
    const ending = await result.then(
      (given) => ({ ok: true, given }),
      (given: unknown) => ({ ok: false, given }),
    );
    cancelAbort?.();
    return {
      attempts,
      primaryQueries,
      ending,
      reports,
      reason,
      listeners: getEventListeners(abortion.signal, 'abort').length,
    };
  };

  const reads = await Promise.all(
    scenario.aborts.map((abortsAt, number) => read(number, abortsAt)),
  );
  const asked = reads.map(({ attempts }) => attempts.map(({ replica }) => replica));
  return { choices: { asked, starters }, reads, deposits, withdrawals };
}

const CLASSIFIERS: Record<Scenario['isMiss'], IsMiss<unknown> | undefined> = {
  default: undefined,
  'undefined only': (value) => value === undefined,
  throws: attempted((attempt) => {
    const isNothing = attempt.ok
      ? attempt.value === undefined || attempt.value === null
      : attempt.error instanceof Error && attempt.error.message === 'no result';
    if (isNothing) throw CLASSIFIER_ERROR;
    return false;
  }),
};

type Picker = ReplicaFallbackOptions<Client, unknown>['pickReplica'];

/** By how many replicas there are. */
const PICKERS: Record<Scenario['picks'], (all: number) => Picker> = {
  none: () => undefined,
  last: () => (left) => left.at(-1),
  throws: (all) => (left) => {
    if (left.length < all) throw PICKER_ERROR;
    return left.at(-1);
  },
};

/** Knows more than it should: a query that was aborted ends the read, whatever is said of it. */
function isDownOrAborted(error: unknown): boolean {
  return error instanceof Down || (error instanceof Error && error.name === 'AbortError');
}

function give(
  { kind, given }: Answer,
  takesMs: number,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    const cancel = later(takesMs, () => {
      signal?.removeEventListener('abort', onAbort);
      if (kind === 'row' || kind === 'nothing') resolve(given);
      else reject(given);
    });
  });
}

let timers = 0;

/** How many timers wait that are not the package's. */
export function countTimers(): number {
  return timers;
}

/** Does something later, or at once, and gives what keeps it from that. */
function later(ms: number, act: () => void): () => void {
  if (ms === 0) {
    act();
    return () => {};
  }
  timers++;
  const timer = setTimeout(() => {
    isWaiting = false;
    timers--;
    act();
  }, ms);
  let isWaiting = true;
  return () => {
    if (!isWaiting) return;
    isWaiting = false;
    timers--;
    clearTimeout(timer);
  };
}
