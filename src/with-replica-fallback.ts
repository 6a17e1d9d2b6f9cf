import pRetry from 'p-retry';
import {
  type Attempt,
  type AttemptSource,
  executed,
  type ReplicaQuery,
  runQuery,
  settle,
  startQuery,
} from './attempt.ts';
import { countFlights, findFlight, startFlight } from './coalesce.ts';
import { assertOptions, type ReplicaFallbackOptions } from './options.ts';
import { judge, Read } from './read.ts';
import { otherReplicas, pickReplica } from './replicas.ts';
import { boundedDelays, type RetryPolicy, toRetryPolicy } from './retry-policy.ts';
import { isWatched, reportHit, reportRead } from './telemetry.ts';

/**
 * Reads from the replica, and falls back to the primary when the replica does not have the row yet.
 *
 * The replica is asked first. When `isMiss` calls its answer a miss, the read waits a jittered moment (`retryMs`), asks
 * the replica once more, and only then the primary, whose answer is final. An error that `isUnavailable` calls a failure
 * goes to another replica, or else to the primary, at once. Any other answer or error goes straight to the caller, by
 * identity.
 *
 * It promises that a row which is on the primary is found. It does not promise that a row which the replica has is
 * fresh: `returned` is for that.
 *
 * @returns what the query resolves with on the client that served the read
 * @throws whatever the query throws there, the same object
 * @throws `signal.reason` as soon as `signal` aborts
 * @throws {@link PrimaryBudgetExceededError} when the primary would have to be asked, and `primaryBudget` has no spill left
 * @throws {@link InvalidOptionError} for an option, or a query, that is not what it has to be
 *
 * @example
 * ```ts
 * import { Kysely, PostgresDialect } from 'kysely';
 * import { noRow, withReplicaFallback } from 'kysely-replica-fallback';
 * import { Pool } from 'pg';
 *
 * const connect = (connectionString: string) =>
 *   new Kysely<Database>({ dialect: new PostgresDialect({ pool: new Pool({ connectionString }) }) });
 * const primary = connect(process.env.DATABASE_URL);
 * const replica = connect(process.env.REPLICA_DATABASE_URL);
 *
 * const order = await withReplicaFallback(
 *   (db) => db.selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst(),
 *   { primary, replica, isMiss: noRow, retryMs: { min: 50, max: 200 } },
 * );
 * ```
 */
export function withReplicaFallback<Client, T>(
  query: ReplicaQuery<NoInfer<Client>, T>,
  options: ReplicaFallbackOptions<Client, T>,
): Promise<T> {
  try {
    assertOptions(options);
  } catch (error) {
    return Promise.reject(error);
  }
  return climb(query, options);
}

/** The ladder up to its second rung, where most reads end. The options have been checked. */
export function climb<Client, T>(
  query: ReplicaQuery<Client, T>,
  options: ReplicaFallbackOptions<Client, T>,
): Promise<T> {
  const { primary, transaction, signal } = options;
  const replica = pickReplica(options);

  // 1. Bypass: one client, one run, and nothing around it.
  if (replica === undefined || isBypassed(options)) {
    return startQuery(query, transaction ?? primary, { source: 'primary', signal }).then(executed);
  }

  const startedAt = isWatched(options) ? performance.now() : 0;
  const flightsBefore = countFlights();
  if (signal?.aborted) {
    const read = new Read<T>(startedAt, flightsBefore);
    read.fail(signal.reason);
    return climbOn(read, query, replica, options);
  }

  // 2. replica. By `then`, because an `await` would double what a hit costs.
  const conclude = (first: Attempt<T>): T | Promise<T> => {
    const verdict = judge('replica', first, options);
    if (typeof verdict === 'object' && verdict.ok) {
      options.primaryBudget?.deposit();
      reportHit(startedAt, options);
      return verdict.value;
    }
    const read = new Read<T>(startedAt, flightsBefore);
    read.conclude('replica', first, verdict);
    return climbOn(read, query, replica, options);
  };
  return runQuery(query, replica, { source: 'replica', signal }, options.replicaTimeoutMs).then(
    (value) => conclude({ ok: true, value }),
    (error: unknown) => conclude({ ok: false, error }),
  );
}

/** The rungs that a miss or a failure climbs, and the end of every read that is not a hit. */
async function climbOn<Client, T>(
  read: Read<T>,
  query: ReplicaQuery<Client, T>,
  replica: Client,
  options: ReplicaFallbackOptions<Client, T>,
): Promise<T> {
  const { primary, primaryBudget, coalesceKey, replicaTimeoutMs, signal } = options;
  const others = otherReplicas(options, replica);
  const conclude = async (source: AttemptSource, answer: Promise<T>): Promise<void> => {
    const attempt = await settle(answer);
    read.conclude(source, attempt, judge(source, attempt, options));
  };
  let current = replica;
  const askReplicaAgain = async (): Promise<void> => {
    signal?.throwIfAborted();
    current = others.pop() ?? current;
    const context = { source: 'replica_retry', signal } as const;
    return conclude('replica_retry', runQuery(query, current, context, replicaTimeoutMs));
  };
  /** A replica that failed is not asked again: another one is, at once, while there is one. */
  const failOver = async (): Promise<void> => {
    while (read.cause === 'failure' && others.length > 0) await askReplicaAgain();
  };
  const askPrimary = async (): Promise<void> => {
    signal?.throwIfAborted();
    const shared = findFlight<Client, T>(options, read.flightsBefore);
    if (shared === undefined && primaryBudget?.withdraw() === false) return read.reject();
    read.isCoalesced = shared !== undefined;
    if (coalesceKey !== undefined) {
      return conclude('primary', (shared ?? startFlight(query, options)).answer(signal));
    }
    return conclude('primary', runQuery(query, primary, { source: 'primary', signal }));
  };

  let policy: RetryPolicy | undefined;
  try {
    if (read.cause !== undefined) read.recoveringSince = performance.now();
    await failOver();
    if (read.cause === 'miss') {
      policy = toRetryPolicy(options.retryMs);
      for (const delayMs of boundedDelays(policy)) {
        // 3. Wait. 4. replica_retry.
        await afterDelay(delayMs, signal, askReplicaAgain);
        await failOver();
        if (read.cause !== 'miss') break;
      }
    }
    // 5. primary.
    primaryBudget?.deposit();
    if (read.cause !== undefined) await askPrimary();
  } catch (error) {
    // The signal aborted between two attempts, or the policy threw. What the query throws is in `read`.
    read.fail(error);
  }

  reportRead(read, options, policy);
  if (read.attempt.ok) return read.attempt.value;
  throw read.attempt.error;
}

function isBypassed<Client>(options: ReplicaFallbackOptions<Client, never>): boolean {
  const { primary, transaction, enabled } = options;
  return transaction !== undefined || enabled === false || isTransaction(primary);
}

/** Kysely's `isTransaction`, which other clients do not have. */
function isTransaction(client: unknown): boolean {
  return (
    typeof client === 'object' &&
    client !== null &&
    'isTransaction' in client &&
    client.isTransaction === true
  );
}

/**
 * p-retry waits before a second try, so its first one is the miss that has already happened. `ask` never rejects with
 * an error of the query, which p-retry would wrap if it is no `Error`, and not let pass if it is a `TypeError`.
 */
function afterDelay(
  delayMs: number,
  signal: AbortSignal | undefined,
  ask: () => Promise<void>,
): Promise<void> {
  return pRetry((attempt) => (attempt === 1 ? Promise.reject(MISS) : ask()), {
    retries: 1,
    minTimeout: delayMs,
    factor: 1,
    randomize: false,
    signal,
  });
}

const MISS = new Error('The replica missed.');
