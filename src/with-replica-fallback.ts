import { afterDelay } from './after-delay.ts';
import type { Attempt, ReplicaQuery } from './attempt.ts';
import { bindOptions, type BoundOptions } from './bind-options.ts';
import { heldConnectionOf, isInsideOfRead } from './held-connection.ts';
import { observe } from './instruments.ts';
import { isEnabled } from './is-enabled.ts';
import { isTransaction } from './is-transaction.ts';
import type { ReadOverrides, ReplicaFallbackOptions } from './options.ts';
import { Read } from './read.ts';
import { ReadProgress } from './read-progress.ts';
import { firstReplica, listedReplicas } from './replicas.ts';
import { boundedDelays, longestWait, type RetryPolicy, toRetryPolicy } from './retry-policy.ts';
import { executed, runOn, runQuery } from './run-query.ts';
import { countQueries } from './shared-queries.ts';
import { isWatched, reportHit, reportRead } from './telemetry.ts';
import { noticeUnprotected } from './unprotected.ts';
import { judge } from './verdict.ts';

/**
 * Reads from the replica, and falls back to the primary when the replica does not have the row yet.
 *
 * The replica is asked first. If `isMiss` calls its answer a miss, the read waits a jittered moment (`retryMs`), asks
 * the replica once more, and only then the primary, whose answer is final. An error that `isUnavailable` calls a failure
 * goes to another replica, or else to the primary, at once. The caller gets any other answer or error unchanged.
 *
 * A row that is on the primary is found. That it is the newest version is not promised: `returned` is for that.
 *
 * @param query - runs on the client that it is given, up to three times with the default options
 * @param options - the clients, and what to do about a miss
 * @returns what the query resolves with on the client that served the read
 * @throws whatever the query throws there, the same object
 * @throws `signal.reason` as soon as `signal` aborts
 * @throws {@link PrimaryBudgetExceededError} when the read needs the primary, and `primaryBudget` is empty
 * @throws {@link NotPrimaryError} when `after` is given, the primary is needed, and the server in its place is not one
 * @throws {@link InvalidOptionError} for an invalid option or query
 *
 * @example
 * ```ts
 * import { Kysely, PostgresDialect } from 'kysely';
 * import { withReplicaFallback } from 'kysely-replica-fallback';
 * import { surviveConnectionErrors } from 'kysely-replica-fallback/postgres';
 * import { Pool } from 'pg';
 *
 * function connect(connectionString: string | undefined) {
 *   const pool = new Pool({ connectionString });
 *   surviveConnectionErrors(pool);
 *   return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
 * }
 * const primary = connect(process.env.DATABASE_URL);
 * const replica = connect(process.env.REPLICA_DATABASE_URL);
 *
 * const order = await withReplicaFallback(
 *   (db) => db.selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst(),
 *   { primary, replica },
 * );
 * ```
 */
export function withReplicaFallback<Client, T>(
  query: ReplicaQuery<NoInfer<Client>, T>,
  options: ReplicaFallbackOptions<Client, T>,
): Promise<T> {
  return bindAndStart(query, options);
}

/** Bad options reject, as everything else does that is wrong with a read. */
export function bindAndStart<Client, T>(
  query: ReplicaQuery<Client, T>,
  options: ReadOverrides<Client, T>,
  defaults?: BoundOptions<Client, unknown>,
): Promise<T> {
  try {
    return startRead(query, bindOptions(options, defaults));
  } catch (error) {
    return Promise.reject(error);
  }
}

/** The ladder up to its second rung, where most reads end. The options have been checked. */
export function startRead<Client, T>(
  query: ReplicaQuery<Client, T>,
  given: BoundOptions<Client, T>,
): Promise<T> {
  const options = isInsideOfRead() ? insideOf(given) : given;
  const { primary, transaction, primaryBudget, replicaTimeoutMs, after, signal } = options;
  let replica: Client | undefined;
  try {
    replica = isBypassed(options) ? undefined : firstReplica(options);
  } catch (error) {
    // Of `enabled` or `pickReplica`: the read ends before it has asked anybody.
    return failRead(new ReadProgress<T>(options.operation, performance.now()), error, options);
  }

  // 1. Bypass: one client, one run, and nothing around it.
  if (replica === undefined) {
    const context = { source: 'primary', signal } as const;
    const answer =
      transaction === undefined
        ? runQuery(query, primary, context)
        : runOn(query, transaction, context);
    return answer.then(executed);
  }

  const startedAt = isWatched(options) ? performance.now() : 0;
  const queriesBefore = countQueries();
  if (signal?.aborted || after !== undefined) {
    const read = new Read({ query, options, replica, startedAt, queriesBefore });
    return finishRead(read, options);
  }

  // 2. replica. By `then`, because an `await` would double what a hit costs.
  const conclude = (first: Attempt<T>): T | Promise<T> => {
    const verdict = judge(first, options);
    if (verdict.kind === 'answer') {
      try {
        primaryBudget?.deposit();
      } catch (error) {
        const read = new ReadProgress<T>(options.operation, startedAt);
        read.take('replica', verdict);
        return failRead(read, error, options);
      }
      observe(() => noticeUnprotected(verdict.ending.value, options));
      reportHit(startedAt, options);
      return verdict.ending.value;
    }
    const read = new Read({ query, options, replica, startedAt, queriesBefore });
    read.take('replica', verdict);
    return finishRead(read, options);
  };
  return runQuery(query, replica, { source: 'replica', signal }, replicaTimeoutMs).then(
    (value) => conclude({ ok: true, value, source: 'replica' }),
    (error: unknown) => conclude({ ok: false, error, source: 'replica' }),
  );
}

/** Ends a read with what one of the caller's functions threw. */
async function failRead<Client, T>(
  read: ReadProgress<T>,
  error: unknown,
  options: BoundOptions<Client, T>,
): Promise<never> {
  read.fail(error);
  reportRead(read.report(), options);
  throw error;
}

/** The rungs that a miss or a failure climbs, and the end of every read that is not a hit. */
async function finishRead<Client, T>(
  read: Read<Client, T>,
  options: BoundOptions<Client, T>,
): Promise<T> {
  const { retryMs, catchUp, after, primaryBudget, signal } = options;
  const policy = toRetryPolicy(retryMs);

  try {
    signal?.throwIfAborted();
    // 2. replica, when its answer has to be new enough.
    if (after !== undefined) await catchUp?.begin(read, longestWait(retryMs));
    // 3. Wait. 4. replica_retry.
    await failOver(read);
    if (read.hasMissed) await retry(read, options, policy);
    // 5. primary.
    primaryBudget?.deposit();
    if (read.needsPrimary) await read.askPrimary();
  } catch (error) {
    // The signal aborted between two attempts, or the policy threw. What the query throws is in `read`.
    read.fail(error);
  }

  const report = read.report();
  const { recovery } = read;
  if (recovery !== undefined) observe(() => policy.settle?.(report, recovery));
  reportRead(report, options, read.warning);
  const ending = read.end();
  if (ending.ok) return ending.value;
  throw ending.error;
}

/** A replica that failed is not asked again: another one is, at once, while there is one. */
async function failOver<Client, T>(read: Read<Client, T>): Promise<void> {
  while (read.canFailOver) await read.askReplica();
}

/** Rungs 3 and 4: the wait is as long as it takes a replica to catch up, or where that is not known, a guess. */
async function retry<Client, T>(
  read: Read<Client, T>,
  options: BoundOptions<Client, T>,
  policy: RetryPolicy,
): Promise<void> {
  const { retryMs, catchUp, signal } = options;
  if (read.recovery === undefined) return;
  let delays: Iterable<number> = boundedDelays(policy, read.recovery);
  if (catchUp !== undefined) {
    const all = [...delays];
    const windowMs = longestWait(retryMs, all);
    const startedAt = performance.now();
    if (windowMs === 0 || (await catchUp.recover(read, windowMs))) return;
    await failOver(read);
    if (!read.hasMissed) return;
    delays = leftOf(all, performance.now() - startedAt);
  }
  for (const delayMs of delays) {
    await afterDelay(delayMs, signal, () => read.askReplica());
    await failOver(read);
    if (!read.hasMissed) return;
  }
}

/** What is left of delays when some of their time has passed. The last one stays: its attempt is due. */
function* leftOf(delays: readonly number[], passedMs: number): Iterable<number> {
  let pastMs = passedMs;
  for (const [index, delayMs] of delays.entries()) {
    if (pastMs < delayMs || index === delays.length - 1) yield Math.max(0, delayMs - pastMs);
    pastMs = Math.max(0, pastMs - delayMs);
  }
}

/** A read in the query of another one stays on the connection which that holds, of the primary or of a replica. */
function insideOf<Client, T>(options: BoundOptions<Client, T>): BoundOptions<Client, T> {
  if (heldConnectionOf(options.primary) !== undefined) return { ...options, enabled: false };
  const replica = listedReplicas(options).find((each) => heldConnectionOf(each) !== undefined);
  return replica === undefined ? options : { ...options, replica, pickReplica: undefined };
}

function isBypassed<Client>(options: BoundOptions<Client, never>): boolean {
  const { primary, transaction, enabled } = options;
  return transaction !== undefined || isTransaction(primary) || !isEnabled(enabled);
}
