import { onAbort } from './on-abort.ts';

/**
 * Calls back once, after this many milliseconds. A timer that is late tells of a pause of this process, which may have kept
 * a query from its server: it gets that time back, once. The answer may also be in the socket, and `setImmediate` lets it in
 * first. https://nodejs.org/en/learn/asynchronous-work/event-loop-timers-and-nexttick
 *
 * @returns a function that takes the deadline back
 */
export function setDeadline(timeoutMs: number, callback: () => void): () => void {
  const dueAt = performance.now() + timeoutMs;
  let afterInput: NodeJS.Immediate | undefined;
  const callAfterInput = () => (afterInput = setImmediate(callback));
  let timer = setTimeout(() => {
    const lateMs = performance.now() - dueAt;
    if (lateMs <= 0) callback();
    else timer = setTimeout(callAfterInput, Math.min(lateMs, timeoutMs));
  }, timeoutMs);
  return () => {
    clearTimeout(timer);
    clearImmediate(afterInput);
  };
}

/**
 * What the promise resolves with, or `undefined` when that takes longer than this many milliseconds. Rejects with the
 * signal's reason when the signal aborts first. Leaves no timer and no listener behind.
 */
export function within<T>(
  timeoutMs: number,
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T | undefined> {
  const { promise: first, resolve, reject } = Promise.withResolvers<T | undefined>();
  const abort = () => reject(signal?.reason);
  const cancel = setDeadline(timeoutMs, () => resolve(undefined));
  const leave = onAbort(signal, abort);
  if (signal?.aborted) abort();
  promise.then(resolve, reject);
  return first.finally(() => {
    cancel();
    leave();
  });
}
