import type { AttemptSource } from './attempt.ts';
import { elapsedMs } from './elapsed.ts';
import { PrimaryBudgetExceededError, ReplicaBehindError } from './errors.ts';
import type { CatchUpReport, Outcome, ReadReport } from './read-report.ts';
import type { Recovery } from './retry-policy.ts';
import type { Ending, MissOrFailure, Verdict } from './verdict.ts';

/** How a read stands that was not over with its first attempt, and what it will report. */
export class ReadProgress<T> {
  readonly #operation: string | undefined;
  readonly #startedAt: number;
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
  /** What the logger has to hear beside how the read ended. */
  warning: string | undefined;

  /** @param startedAt - when the read was called, on the clock of `performance.now()` */
  constructor(operation: string | undefined, startedAt: number) {
    this.#operation = operation;
    this.#startedAt = startedAt;
  }

  /** Whether the last attempt was a miss, and that is not the answer. */
  get hasMissed(): boolean {
    return this.#verdict.kind === 'miss' && this.needsPrimary;
  }

  /** Whether the last attempt was a failure. */
  get hasFailed(): boolean {
    return this.#verdict.kind === 'failure';
  }

  /** Whether the last attempt was a miss because the replica had not replayed enough, and not because of its answer. */
  get isBehind(): boolean {
    const { kind, ending } = this.#verdict;
    return kind === 'miss' && !ending.ok && ending.error instanceof ReplicaBehindError;
  }

  get needsPrimary(): boolean {
    return this.#verdict === this.#unanswered;
  }

  /** There is one from the first attempt on, if that was a miss or a failure. */
  get recovery(): Recovery | undefined {
    return this.#recovery;
  }

  /**
   * Takes in what came of an attempt.
   *
   * @param isFinal - whether a miss is the answer, as one of the primary always is
   */
  take(source: AttemptSource, verdict: Verdict<T>, isFinal = false): void {
    this.#attempts++;
    this.#source = source;
    this.#verdict = verdict;
    if (source === 'primary' || (verdict.kind !== 'miss' && verdict.kind !== 'failure')) return;
    if (verdict.kind === 'miss') this.#misses++;
    else if (++this.#failures === 1) this.#replicaError = verdict.ending.error;
    if (verdict.kind === 'failure' || this.isBehind || !isFinal) this.#goOn(verdict);
  }

  /** Goes on as after a miss, because no answer of a replica could count. */
  skipReplicas(): void {
    const error = new ReplicaBehindError('unknown');
    this.#goOn({ kind: 'miss', ending: { ok: false, error, source: 'replica' } });
  }

  #goOn(unanswered: MissOrFailure<T>): void {
    this.#verdict = unanswered;
    this.#unanswered = unanswered;
    if (this.#recovery !== undefined) return;
    this.#recovery = { operation: this.#operation, cause: unanswered.kind };
    this.#recoveringSince = performance.now();
  }

  /** Ends the read with an error that does not come from an attempt. */
  fail(error: unknown): void {
    this.#verdict = { kind: 'error', ending: { ok: false, error } };
  }

  /** Ends the read because it needs the primary, and may not ask it. */
  reject(): void {
    if (this.#unanswered === undefined) return;
    const { kind, ending } = this.#unanswered;
    const error = new PrimaryBudgetExceededError(kind, ending);
    this.#verdict = { kind: 'rejected', ending: { ok: false, error } };
  }

  /** Remembers whether the answer is that of another read's query. */
  noteCoalesced(isCoalesced: boolean): void {
    this.#isCoalesced = isCoalesced;
  }

  warn(message: string): void {
    this.warning = message;
  }

  /** Remembers how an informed wait ended. */
  noteCatchUp(catchUp: CatchUpReport): void {
    this.#catchUp = { ...catchUp, waitMs: elapsedMs(0, catchUp.waitMs) };
  }

  /** What the caller gets. */
  end(): Ending<T> {
    return this.#verdict.ending;
  }

  /** What observers hear, now that it has ended. */
  report(): ReadReport {
    const now = performance.now();
    const ending = this.end();
    return {
      operation: this.#operation,
      outcome: this.#outcome(),
      attempts: this.#attempts,
      durationMs: elapsedMs(this.#startedAt, now),
      ...(this.#recovery !== undefined && {
        recovery: {
          cause: this.#recovery.cause,
          misses: this.#misses,
          failures: this.#failures,
          durationMs: elapsedMs(this.#recoveringSince, now),
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
