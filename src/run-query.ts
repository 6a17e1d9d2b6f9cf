import type { AttemptContext, ReplicaQuery } from './attempt.ts';
import { setDeadline, within } from './deadline.ts';
import {
  InvalidOptionError,
  invalidOption,
  ReplicaBehindError,
  ReplicaTimeoutError,
} from './errors.ts';
import { heldConnectionOf, shareConnection } from './held-connection.ts';
import { isObject } from './is-object.ts';
import { onAbort } from './on-abort.ts';
import { DEFAULT_TIMEOUT_MS } from './retry-policy.ts';

/** Runs the query once on its client, until the signal aborts or the time is up. Every attempt goes through here. */
export function runQuery<Client, T>(
  query: ReplicaQuery<Client, T>,
  client: Client,
  context: AttemptContext,
  timeoutMs?: number,
): Promise<T> {
  if (timeoutMs !== undefined) return runWithin(timeoutMs, query, client, context);
  const held = heldConnectionOf(client);
  if (held === undefined) return runOn(query, client, context);
  const answer = startInside(held, query, context);
  return context.signal === undefined ? answer : untilAborted(answer, context.signal);
}

/** On this very client: what a transaction has written, no other connection shows. */
export function runOn<Client, T>(
  query: ReplicaQuery<Client, T>,
  db: Client,
  context: AttemptContext,
): Promise<T> {
  const answer = startQuery(query, db, context);
  return context.signal === undefined ? answer : untilAborted(answer, context.signal);
}

/**
 * On the connection that the read around this one holds. That of a replica may be able to run nothing: the query around it has a
 * transaction or a stream of its own there, in which it waits for this read, or an error has ended the transaction.
 */
function startInside<Client, T>(
  held: NonNullable<ReturnType<typeof heldConnectionOf<Client>>>,
  query: ReplicaQuery<Client, T>,
  context: AttemptContext,
): Promise<T> {
  const run = () => startQuery(query, held.pinned, context);
  if (context.source === 'primary') return shareConnection(held, run);
  return shareConnection(held, async () => {
    const turn = held.turn();
    if (turn !== undefined && !(await within(DEFAULT_TIMEOUT_MS, turn, context.signal))) {
      throw new ReplicaBehindError('unknown');
    }
    return run();
  }).catch((error: unknown) => {
    throw held.isFailed(error) ? new ReplicaBehindError('unknown') : error;
  });
}

/** When the time is up, the attempt's own signal aborts, too, so that a query which takes it stops. */
function runWithin<Client, T>(
  timeoutMs: number,
  query: ReplicaQuery<Client, T>,
  client: Client,
  { source, signal }: AttemptContext,
): Promise<T> {
  const end = new AbortController();
  const abort = () => end.abort(signal?.reason);
  const cancel = setDeadline(timeoutMs, () => end.abort(new ReplicaTimeoutError(timeoutMs)));
  const leave = onAbort(signal, abort);
  return runQuery(query, client, { source, signal: end.signal }).finally(() => {
    cancel();
    leave();
  });
}

/**
 * Starts the query, unless its read is over by the time when its connection has come, or its check has passed. What it throws at
 * once comes out like what it rejects with.
 */
export function startQuery<Client, T>(
  query: ReplicaQuery<Client, T>,
  db: Client,
  context: AttemptContext,
): Promise<T> {
  try {
    context.signal?.throwIfAborted();
    if (typeof query !== 'function') throw notExecutable(query);
    const answer = query(db, context);
    // A thenable may give back nothing from its `then`, as `await` allows.
    if (typeof answer?.then === 'function') return Promise.resolve(answer);
    throw notExecutable(answer);
  } catch (error) {
    return Promise.reject(error);
  }
}

/**
 * Runs something that has to start its query within this many milliseconds, or else counts as behind: then the query does not
 * start any more.
 *
 * @throws ReplicaBehindError when the time is up
 */
export async function startedWithin<T>(
  timeoutMs: number,
  signal: AbortSignal | undefined,
  run: (start: (query: () => Promise<T>) => Promise<T>, assertWanted: () => void) => Promise<T>,
): Promise<T> {
  const started = Promise.withResolvers<true>();
  let isLate = false;
  const assertWanted = () => {
    signal?.throwIfAborted();
    if (isLate) throw new ReplicaBehindError('unknown');
  };
  const answer = run(async (query) => {
    assertWanted();
    started.resolve(true);
    return query();
  }, assertWanted);
  isLate = !(await within(
    timeoutMs,
    Promise.race([started.promise, answer.then(() => true)]),
    signal,
  ));
  assertWanted();
  return answer;
}

/**
 * The value, unless it is a query builder, because then an async query forgot to execute what it returned, or a stream, whose
 * rows would be read on a connection that has gone back by then.
 */
export function executed<T>(value: T): T {
  if (isObject(value) && ('toOperationNode' in value || isStream(value))) {
    throw notExecutable(value);
  }
  return value;
}

function notExecutable(given: unknown): InvalidOptionError {
  const expected = 'a function that returns a promise, by `.execute()` or the like';
  if (!isObject(given) || !isStream(given)) return invalidOption('query', expected, given);
  if (isNodeStream(given)) {
    // Nobody will read it, so it must not hold its connection, nor may its errors end the process.
    given.on('error', () => {});
    given.destroy();
  }
  return new InvalidOptionError('query', expected, given, A_STREAM);
}

const A_STREAM = 'a stream, which would be read when the read has ended';

/** An async iterable, a stream of Node.js, or a cursor of pg. Rows have no methods. */
function isStream(value: object): boolean {
  return (
    Symbol.asyncIterator in value ||
    ('pipe' in value && typeof value.pipe === 'function') ||
    ('submit' in value && typeof value.submit === 'function')
  );
}

interface NodeStream {
  on(event: 'error', listener: () => void): void;
  destroy(): void;
}

function isNodeStream(value: object): value is NodeStream {
  return 'on' in value && 'destroy' in value && typeof value.destroy === 'function';
}

/** The promise, or a rejection with the signal's reason, whichever is first. Leaves no listener behind. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    const leave = onAbort(signal, abort);
    // A signal that the query aborted while it started fires no more.
    if (signal.aborted) abort();
    promise.then(resolve, reject).finally(leave);
  });
}
