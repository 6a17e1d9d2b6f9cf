import type { AttemptSource, ReplicaQuery } from './attempt.ts';
import type { BoundOptions } from './bind-options.ts';
import { findFlight, startFlight } from './coalesce.ts';
import { ReadProgress } from './read-progress.ts';
import { ReplicaTurns } from './replicas.ts';
import { runQuery, startQuery } from './run-query.ts';
import { judge, type Verdict } from './verdict.ts';

/** What a read has from its start. */
interface ReadStart<Client, T> {
  readonly query: ReplicaQuery<Client, T>;
  readonly options: BoundOptions<Client, T>;
  /** The one that it starts on. */
  readonly replica: Client;
  /** When it was called, on the clock of `performance.now()`. */
  readonly startedAt: number;
  /** How many shared queries had started by then: it may use the answer of a later one. */
  readonly queriesBefore: number;
}

/** The position that a replica must have replayed for its answer to count. */
export interface Floor {
  readonly position: string;
  /** Whether the primary had it after the read began: then a miss is final, because the primary would answer the same. */
  readonly isFinal: boolean;
}

/** A read that was not over with its first attempt: whom it can still ask. */
export class Read<Client, T> extends ReadProgress<T> {
  readonly #start: ReadStart<Client, T>;
  readonly #turns: ReplicaTurns<Client>;
  /** What attempts on replicas are checked against. Without one they are not checked. */
  #floor: Floor | undefined;

  constructor(start: ReadStart<Client, T>) {
    super(start.options.operation, start.startedAt);
    this.#start = start;
    this.#turns = new ReplicaTurns(start.options, start.replica);
  }

  get queriesBefore(): number {
    return this.#start.queriesBefore;
  }

  /** The replicas that have not failed. */
  get replicas(): readonly Client[] {
    return this.#turns.sound;
  }

  get canFailOver(): boolean {
    return this.hasFailed && this.#turns.hasFresh;
  }

  override take(source: AttemptSource, verdict: Verdict<T>): void {
    if (source !== 'primary' && verdict.kind === 'failure') this.#turns.fail();
    super.take(source, verdict, this.#floor?.isFinal);
  }

  /** From now on, an answer of a replica counts only if it had replayed this, if it is given. */
  require(floor: Floor | undefined): void {
    this.#floor = floor;
  }

  /** Asks this replica, or one that was not asked yet, while there is one, or else the same one again. */
  async askReplica(
    source: Exclude<AttemptSource, 'primary'> = 'replica_retry',
    replica: Client = this.#turns.next(),
  ): Promise<void> {
    const { replicaTimeoutMs, signal } = this.#start.options;
    signal?.throwIfAborted();
    this.#turns.take(replica);
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
    const { query, options, queriesBefore } = this.#start;
    const { primary, primaryBudget, coalesceKey, signal } = options;
    signal?.throwIfAborted();
    let shared = findFlight<Client, T>(options, queriesBefore);
    while (shared !== undefined) {
      await this.#hear('primary', shared.answer(signal));
      // A shared query may have taken the signal of another read's request: its abort says nothing to this one.
      const isMine = signal?.aborted === true || !this.wasAborted;
      this.noteCoalesced(isMine);
      if (isMine) return;
      shared = findFlight(options, queriesBefore);
    }
    if (primaryBudget?.withdraw() === false) return this.reject();
    const answer =
      coalesceKey === undefined
        ? runQuery(query, primary, { source: 'primary', signal })
        : startFlight(query, options).answer(signal);
    await this.#hear('primary', answer);
  }

  async #hear(source: AttemptSource, answer: Promise<T>): Promise<void> {
    const { options } = this.#start;
    const verdict = await answer.then(
      (value) => judge({ ok: true, value, source }, options),
      (error: unknown) => judge({ ok: false, error, source }, options),
    );
    this.take(source, verdict);
  }
}
