import type { AttemptSource, ReplicaQuery } from './attempt.ts';
import type { BoundOptions } from './bind-options.ts';
import { findFlight, startFlight } from './coalesce.ts';
import { PrimaryBudgetExceededError, ReplicaBehindError } from './errors.ts';
import type { CatchUpReport, Outcome, ReadReport } from './read-report.ts';
import { allReplicas, otherReplicas } from './replicas.ts';
import type { Recovery } from './retry-policy.ts';
import { runQuery, startQuery } from './run-query.ts';
import {
  type Ending,
  endingOf,
  isAbort,
  judge,
  type MissOrFailure,
  type Verdict,
} from './verdict.ts';

/** What a read has from its start. */
interface ReadStart<Client, T> {
  readonly query: ReplicaQuery<Client, T>;
  readonly options: BoundOptions<Client, T>;
  /** The one that it starts on. */
  readonly replica: Client;
  /** When it was called, on the clock of `performance.now()`. */
  readonly startedAt: number;
  /** How many flights had started by then: it may join a later one. */
  readonly flightsBefore: number;
  /** Likewise, how many position queries had started. */
  readonly positionQueriesBefore: number;
}

/** The position that a replica must have replayed for its answer to count. */
export interface Floor {
  readonly position: string;
  /** Whether the primary had it after the read began: then a miss is final, because the primary would answer the same. */
  readonly isFinal: boolean;
}

/** A read that is not over with its first attempt: whom it can still ask, how it stands, and what it will report. */
export class Read<Client, T> {
  readonly #start: ReadStart<Client, T>;
  /** The replica that was asked last, and those that were not asked yet. */
  #replica: Client;
  #otherReplicas: readonly Client[];
  readonly #failedReplicas = new Set<Client>();
  /** What the attempts on replicas are checked against. Without one they are not checked. */
  #floor: Floor | undefined;

  /** Who was asked last, and what came of it. */
  #source: AttemptSource | undefined;
  #verdict!: Verdict<T>;
  /** The last verdict that asks for more of a replica or of the primary. */
  #unanswered: MissOrFailure<T> | undefined;
  #attempts = 0;
  #misses = 0;
  #failures = 0;
  #replicaError: unknown;
  #isCoalesced = false;
  #recovery: Recovery | undefined;
  #recoveringSince = 0;
  #catchUp: CatchUpReport | undefined;

  constructor(start: ReadStart<Client, T>) {
    this.#start = start;
    this.#replica = start.replica;
    this.#otherReplicas = otherReplicas(start.options, start.replica);
  }

  get positionQueriesBefore(): number {
    return this.#start.positionQueriesBefore;
  }

  /** The replicas that have not failed. */
  get replicas(): Client[] {
    return allReplicas(this.#start.options).filter((each) => !this.#failedReplicas.has(each));
  }

  /** Whether the last attempt was a miss that is not final. */
  get hasMissed(): boolean {
    return this.#verdict.kind === 'miss' && this.needsPrimary;
  }

  get hasFailed(): boolean {
    return this.#verdict.kind === 'failure';
  }

  /** Whether the last attempt was a miss because the replica had not replayed enough, and not because of its answer. */
  get isBehind(): boolean {
    if (this.#verdict.kind !== 'miss' || this.#verdict.attempt.ok) return false;
    return this.#verdict.attempt.error instanceof ReplicaBehindError;
  }

  get canFailOver(): boolean {
    return this.hasFailed && this.#otherReplicas.length > 0;
  }

  get needsPrimary(): boolean {
    return this.#verdict === this.#unanswered;
  }

  /** There is one from the first attempt on, if that was a miss or a failure. */
  get recovery(): Recovery | undefined {
    return this.#recovery;
  }

  /** Takes in what came of an attempt. */
  take(source: AttemptSource, verdict: Verdict<T>): void {
    this.#attempts++;
    this.#source = source;
    this.#verdict = verdict;
    if (source === 'primary' || (verdict.kind !== 'miss' && verdict.kind !== 'failure')) return;
    if (verdict.kind === 'miss') {
      this.#misses++;
      if (this.#floor?.isFinal === true && !this.isBehind) return;
    } else {
      this.#failedReplicas.add(this.#replica);
      if (++this.#failures === 1) this.#replicaError = verdict.attempt.error;
    }
    this.#goOn(verdict);
  }

  #goOn(unanswered: MissOrFailure<T>): void {
    this.#verdict = unanswered;
    this.#unanswered = unanswered;
    if (this.#recovery !== undefined) return;
    this.#recovery = { operation: this.#start.options.operation, cause: unanswered.kind };
    this.#recoveringSince = performance.now();
  }

  /** Goes on as after a miss, because no answer of a replica could count. */
  skipReplicas(): void {
    const error = new ReplicaBehindError('unknown');
    this.#goOn({ kind: 'miss', attempt: { ok: false, error, source: 'replica' } });
  }

  /** Ends the read with an error that does not come from an attempt. */
  fail(error: unknown): void {
    this.#verdict = { kind: 'error', error };
  }

  /** From now on, an answer of a replica counts only if it had replayed this, if it is given. */
  require(floor: Floor | undefined): void {
    this.#floor = floor;
  }

  /** Asks this replica, or one that was not asked yet, while there is one, or else the same one again. */
  async askReplica(
    source: Exclude<AttemptSource, 'primary'> = 'replica_retry',
    replica: Client = this.#otherReplicas.at(-1) ?? this.#replica,
  ): Promise<void> {
    const { options } = this.#start;
    const { replicaTimeoutMs, signal } = options;
    signal?.throwIfAborted();
    this.#replica = replica;
    this.#otherReplicas = this.#otherReplicas.filter((other) => other !== replica);
    const answer = runQuery(this.#checkedQuery(), replica, { source, signal }, replicaTimeoutMs);
    await this.#hear(source, answer);
  }

  #checkedQuery(): ReplicaQuery<Client, T> {
    const { query, options } = this.#start;
    const { catchUp } = options;
    const floor = this.#floor;
    if (floor === undefined || catchUp === undefined) return query;
    return (db, context) =>
      catchUp.runAt(db, floor.position, (pinned) => startQuery(query, pinned, context));
  }

  /** Asks the primary, or joins a read that is asking it, unless the budget has no spill left. */
  async askPrimary(): Promise<void> {
    const { query, options, flightsBefore } = this.#start;
    const { primary, primaryBudget, coalesceKey, signal } = options;
    signal?.throwIfAborted();
    let shared = findFlight<Client, T>(options, flightsBefore);
    while (shared !== undefined) {
      await this.#hear('primary', shared.answer(signal));
      this.#isCoalesced = !this.#wasAbortedByAnotherRead();
      if (this.#isCoalesced) return;
      shared = findFlight(options, flightsBefore);
    }
    if (primaryBudget?.withdraw() === false) return this.#reject();
    const answer =
      coalesceKey === undefined
        ? runQuery(query, primary, { source: 'primary', signal })
        : startFlight(query, options).answer(signal);
    await this.#hear('primary', answer);
  }

  /** Whether a shared query took the signal of another read's request, and ended with it. That says nothing to this one. */
  #wasAbortedByAnotherRead(): boolean {
    if (this.#start.options.signal?.aborted) return false;
    return this.#verdict.kind === 'error' && isAbort(this.#verdict.error);
  }

  #reject(): void {
    if (this.#unanswered === undefined) return;
    const { kind, attempt } = this.#unanswered;
    this.#verdict = { kind: 'rejected', error: new PrimaryBudgetExceededError(kind, attempt) };
  }

  async #hear(source: AttemptSource, answer: Promise<T>): Promise<void> {
    const { options } = this.#start;
    const verdict = await answer.then(
      (value) => judge({ ok: true, value, source }, options),
      (error: unknown) => judge({ ok: false, error, source }, options),
    );
    this.take(source, verdict);
  }

  /** Remembers how an informed wait ended. */
  noteCatchUp(catchUp: CatchUpReport): void {
    this.#catchUp = catchUp;
  }

  /** What the caller gets. */
  end(): Ending<T> {
    return endingOf(this.#verdict);
  }

  /** What observers hear, now that it has ended. */
  report(): ReadReport {
    const now = performance.now();
    const { options, startedAt } = this.#start;
    const ending = this.end();
    return {
      operation: options.operation,
      outcome: this.#outcome(),
      attempts: this.#attempts,
      durationMs: between(startedAt, now),
      ...(this.#recovery !== undefined && {
        recovery: {
          cause: this.#recovery.cause,
          misses: this.#misses,
          failures: this.#failures,
          durationMs: between(this.#recoveringSince, now),
          ...(this.#catchUp !== undefined && { catchUp: this.#catchUp }),
        },
      }),
      ...(this.#failures > 0 && { replicaError: this.#replicaError }),
      ...(this.#isCoalesced && { coalesced: true }),
      ...(!ending.ok && this.#source !== undefined && { failedDuring: this.#source }),
      ...(!ending.ok && { error: ending.error }),
    };
  }

  #outcome(): Outcome {
    const { kind } = this.#verdict;
    if (kind === 'answer' && this.#source !== undefined) return this.#source;
    if (kind === 'miss') return 'not_found';
    return kind === 'rejected' ? kind : 'error';
  }
}

/** Milliseconds that are never negative, although a test may set the clock back. */
function between(start: number, end: number): number {
  return Math.max(0, end - start);
}
