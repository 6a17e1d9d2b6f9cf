import type { AttemptSource, Outcome } from 'kysely-replica-fallback';

/** How a client answers. `down` is what `isUnavailable` knows. */
type AnswerKind = 'row' | 'nothing' | 'no result' | 'down' | 'error' | 'not an error' | 'abort';

export interface Answer {
  readonly kind: AnswerKind;
  /** What it returns or throws. */
  readonly given: unknown;
}

/** A read, and all that happens to it. */
export interface Scenario {
  readonly replicas: number;
  /** In the order in which they are given, whoever is asked. */
  readonly answers: readonly Answer[];
  /** How many times the read may wait. */
  readonly waits: number;
  readonly knowsDown: boolean;
  /** Whether the budget has a spill left. `undefined`: there is no budget. */
  readonly hasSpill: boolean | undefined;
  /** When the signal aborts: before the read, or in its attempt or its wait of this number, counted from 0. */
  readonly abort:
    | 'never'
    | 'before'
    | { readonly during: 'attempt' | 'wait'; readonly number: number };
}

/** What comes of a read. */
export interface Prediction {
  readonly sources: readonly AttemptSource[];
  /** For each attempt, whether it goes to a replica that was not asked yet, the same replica, or the primary. */
  readonly clients: readonly ('fresh' | 'same' | 'primary')[];
  readonly waits: number;
  readonly outcome: Outcome;
  /** What the caller gets. `rejected` stands for the budget's error, and `reason` for the signal's. */
  readonly ending: Answer | 'rejected' | 'reason';
  readonly misses: number;
  readonly failures: number;
}

type Verdict = 'answer' | 'miss' | 'failure' | 'error';

/** The ladder, in plain steps that do nothing: what the package promises, and not how it keeps it. */
export function predict(scenario: Scenario): Prediction {
  const { replicas, answers, knowsDown, hasSpill, abort } = scenario;
  const sources: AttemptSource[] = [];
  const clients: Prediction['clients'][number][] = [];
  let fresh = replicas;
  let waits = 0;
  let misses = 0;
  let failures = 0;
  let ending: Prediction['ending'] = 'reason';

  const ask = (source: AttemptSource): Verdict => {
    const number = sources.push(source) - 1;
    if (source === 'primary') clients.push('primary');
    else clients.push(fresh > 0 ? 'fresh' : 'same');
    if (source !== 'primary') fresh = Math.max(0, fresh - 1);
    if (aborts('attempt', number)) {
      ending = 'reason';
      return 'error';
    }
    const answer = answers[number % answers.length]!;
    ending = answer;
    if (answer.kind === 'row') return 'answer';
    if (answer.kind === 'down' && knowsDown && source !== 'primary') {
      failures += 1;
      return 'failure';
    }
    if (answer.kind !== 'nothing' && answer.kind !== 'no result') return 'error';
    if (source !== 'primary') misses += 1;
    return 'miss';
  };
  const aborts = (during: 'attempt' | 'wait', number: number): boolean =>
    typeof abort === 'object' && abort.during === during && abort.number === number;
  const end = (outcome: Outcome): Prediction => ({
    sources,
    clients,
    waits,
    outcome,
    ending,
    misses,
    failures,
  });
  const endOnReplica = (verdict: Verdict): Prediction =>
    end(verdict === 'answer' ? sources.at(-1)! : 'error');

  /** A failure goes to another replica, while there is one. */
  const askReplicas = (source: AttemptSource): Verdict => {
    const verdict = ask(source);
    return verdict === 'failure' && fresh > 0 ? askReplicas('replica_retry') : verdict;
  };

  if (abort === 'before') return end('error');
  let verdict = askReplicas('replica');
  while (verdict === 'miss' && waits < scenario.waits) {
    waits += 1;
    if (aborts('wait', waits - 1)) {
      ending = 'reason';
      return end('error');
    }
    verdict = askReplicas('replica_retry');
  }
  if (verdict === 'answer' || verdict === 'error') return endOnReplica(verdict);

  if (hasSpill === false) {
    ending = 'rejected';
    return end('rejected');
  }
  verdict = ask('primary');
  return verdict === 'miss' ? end('not_found') : endOnReplica(verdict);
}
