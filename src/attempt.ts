import { InvalidOptionError, ReplicaTimeoutError } from './errors.ts';

/**
 * Who an attempt asks: the replica first, a replica once more (the same one after a wait, or another), the primary last.
 */
export type AttemptSource = 'replica' | 'replica_retry' | 'primary';

/**
 * What the query is told about the attempt that it runs for.
 */
export interface AttemptContext {
  /** Who is asked. A bypass is told `'primary'`, whichever client it goes to. */
  readonly source: AttemptSource;
  /**
   * Aborts when this attempt is no longer wanted. Hand it to the query: Kysely then stops waiting for it, and with
   * `executeTakeFirst({ signal, inflightQueryAbortStrategy: 'cancel query' })` its connection is free again as well.
   * `undefined` when nothing can abort the attempt.
   */
  readonly signal: AbortSignal | undefined;
}

/**
 * How one run of the query ended: with a value, or with whatever it threw.
 */
export type Attempt<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: unknown };

/**
 * A query that can run more than once, on the client that it is given.
 *
 * @param db - the client to run on, and the only one to run on
 * @param attempt - who is asked, and a signal to hand on
 */
export type ReplicaQuery<Client, T> = (db: Client, attempt: AttemptContext) => Promise<T>;

/** Runs the query once, until the signal aborts or the time is up. */
export function runQuery<Client, T>(
  query: ReplicaQuery<Client, T>,
  db: Client,
  context: AttemptContext,
  timeoutMs?: number,
): Promise<T> {
  if (timeoutMs !== undefined) return runWithin(timeoutMs, query, db, context);
  const answer = startQuery(query, db, context);
  return context.signal === undefined ? answer : untilAborted(answer, context.signal);
}

/** When the time is up, the attempt's own signal aborts, too, so that a query which takes it stops. */
function runWithin<Client, T>(
  timeoutMs: number,
  query: ReplicaQuery<Client, T>,
  db: Client,
  { source, signal }: AttemptContext,
): Promise<T> {
  const end = new AbortController();
  const abort = () => end.abort(signal?.reason);
  const timer = setTimeout(() => end.abort(new ReplicaTimeoutError(timeoutMs)), timeoutMs);
  signal?.addEventListener('abort', abort, { once: true });
  return runQuery(query, db, { source, signal: end.signal }).finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  });
}

/** Starts the query. What it throws at once comes out like what it rejects with. */
export function startQuery<Client, T>(
  query: ReplicaQuery<Client, T>,
  db: Client,
  context: AttemptContext,
): Promise<T> {
  try {
    if (typeof query !== 'function') throw new InvalidOptionError('query', A_QUERY, query);
    const answer = query(db, context);
    if (typeof answer?.then === 'function') return answer;
    throw new InvalidOptionError('query', A_QUERY, answer);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** How the promise ends. Never rejects. */
export function settle<T>(promise: Promise<T>): Promise<Attempt<T>> {
  return promise.then(
    (value) => ({ ok: true, value }),
    (error: unknown) => ({ ok: false, error }),
  );
}

/** The value, unless it is a query builder: then an async query forgot to execute what it returned. */
export function executed<T>(value: T): T {
  if (typeof value === 'object' && value !== null && 'toOperationNode' in value) {
    throw new InvalidOptionError('query', A_QUERY, value);
  }
  return value;
}

const A_QUERY = 'a function that returns a promise, by `.execute()` or the like';

/** The promise, or a rejection with the signal's reason, whichever is first. Leaves no listener behind. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    // A signal that the query aborted while it started fires no more.
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
