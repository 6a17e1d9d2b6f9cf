import type { AttemptSource, ReplicaQuery } from './attempt.ts';
import type { BoundOptions } from './bind-options.ts';
import { findFlight, type Flight, startFlight } from './coalesce.ts';
import { inSpan } from './instruments.ts';
import type { Floor, InformedRead } from './informed-read.ts';
import { ReadProgress } from './read-progress.ts';
import { ReplicaTurns } from './replicas.ts';
import { runOnPrimaryOf } from './run-on-primary.ts';
import { runQuery, startedWithin, startQuery } from './run-query.ts';
import { CONNECTION_TIMEOUT_MS, longestWait } from './retry-policy.ts';
import { isAbort, isReason, isTimeout, judge, saysYes, type Verdict } from './verdict.ts';

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

/** A read that was not over with its first attempt: whom it can still ask. */
export class Read<Client, T> extends ReadProgress<T> implements InformedRead<Client> {
  readonly options: BoundOptions<Client, T>;
  readonly queriesBefore: number;
  readonly #query: ReplicaQuery<Client, T>;
  readonly #turns: ReplicaTurns<Client>;
  floor: Floor | undefined;

  constructor({ query, options, replica, startedAt, queriesBefore }: ReadStart<Client, T>) {
    super(options.operation, startedAt);
    this.options = options;
    this.queriesBefore = queriesBefore;
    this.#query = query;
    this.#turns = new ReplicaTurns(options, replica);
  }

  get replicas(): readonly Client[] {
    return this.#turns.sound;
  }

  get canFailOver(): boolean {
    return this.hasFailed && this.#turns.hasFresh;
  }

  override take(source: AttemptSource, verdict: Verdict<T>): void {
    if (verdict.kind === 'failure') this.#turns.fail();
    super.take(source, verdict, this.floor?.isFinal);
  }

  /**
   * Asks this replica. By default it is at first the one that the read starts on, then one that was not asked yet, while
   * there is one, and else the same one again.
   */
  async askReplica(
    source: Exclude<AttemptSource, 'primary'> = 'replica_retry',
    chosen: Client | undefined = source === 'replica' ? this.#turns.current : undefined,
  ): Promise<void> {
    const { replicaTimeoutMs, signal } = this.options;
    signal?.throwIfAborted();
    let replica: Client;
    try {
      replica = chosen ?? this.#turns.next();
    } catch (error) {
      return this.fail(error); // of `pickReplica`
    }
    this.#turns.take(replica);
    const query = this.#checkedQuery();
    await this.#hear(source, () => runQuery(query, replica, { source, signal }, replicaTimeoutMs));
  }

  #checkedQuery(): ReplicaQuery<Client, T> {
    const query = this.#query;
    const { floor } = this;
    const { catchUp } = this.options;
    if (floor === undefined || catchUp === undefined) return query;
    // A connection that does not come in time is part of the wait: perhaps those who hold them wait for this read.
    const timeoutMs = Math.max(longestWait(this.options.retryMs), CONNECTION_TIMEOUT_MS);
    return (db, context) =>
      startedWithin(timeoutMs, context.signal, (start, assertWanted) =>
        catchUp.runAt(
          db,
          floor.position,
          (pinned) => start(() => startQuery(query, pinned, context)),
          assertWanted,
        ),
      );
  }

  #queryOfPrimary(): ReplicaQuery<Client, T> {
    const query = this.#query;
    const runOnPrimary = runOnPrimaryOf<Client>(this.options);
    if (runOnPrimary === undefined) return query;
    return (db, context) =>
      runOnPrimary(
        db,
        (pinned) => startQuery(query, pinned, context),
        () => context.signal?.throwIfAborted(),
      );
  }

  /** Asks the primary, or joins a read that is asking it, unless the budget has no spill left. */
  async askPrimary(): Promise<void> {
    const query = this.#queryOfPrimary();
    const { options, queriesBefore } = this;
    const { primary, primaryBudget, coalesceKey, signal } = options;
    signal?.throwIfAborted();
    let shared = findFlight<Client, T>(options, queriesBefore);
    for (let isFirst = true; shared !== undefined; isFirst = false) {
      const flight = shared;
      await this.#hear('primary', () => flight.answer(signal));
      const isMine = !this.#endedWithAbortOf(flight, isFirst);
      this.noteCoalesced(isMine);
      if (isMine) return;
      signal?.throwIfAborted();
      shared = findFlight(options, queriesBefore);
    }
    const maySpill = primaryBudget?.withdraw() ?? true;
    if (!saysYes('primaryBudget.withdraw', maySpill)) return this.reject();
    await this.#hear('primary', () =>
      coalesceKey === undefined
        ? runQuery(query, primary, { source: 'primary', signal })
        : startFlight(query, options).answer(signal),
    );
  }

  /**
   * Whether a shared query took the signal of another read's request, and ended with it. That says nothing to this one. A
   * second timeout does: it is the query's own, and the primary is slow for all.
   */
  #endedWithAbortOf(shared: Flight<T>, isFirst: boolean): boolean {
    const ending = this.end();
    const { signal } = this.options;
    if (ending.ok || isReason(ending.error, signal)) return false;
    const { error } = ending;
    return isAbort(error) || (isFirst && isTimeout(error)) || isReason(error, shared.starter);
  }

  async #hear(source: AttemptSource, ask: () => Promise<T>): Promise<void> {
    const { options } = this;
    const attempt = (): Promise<Verdict<T>> =>
      ask().then(
        (value) => judge({ ok: true, value, source }, options),
        (error: unknown) => judge({ ok: false, error, source }, options),
      );
    // The first attempt has no span, so that a hit costs nothing.
    const verdict = await (source === 'replica'
      ? attempt()
      : inSpan(source, options.operation, attempt));
    this.take(source, verdict);
  }
}
