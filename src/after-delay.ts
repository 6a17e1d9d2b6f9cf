import pRetry from 'p-retry';
import { onAbort } from './on-abort.ts';

/**
 * Waits, unless the signal aborts, and then asks. p-retry waits before a second try, so its first one is the miss that has
 * already happened. Its signal is its own, because it adds a listener to it. `ask` never rejects with what the query or
 * `pickReplica` threw, which p-retry would wrap if it is no `Error`, and not let pass if it is a `TypeError`.
 */
export async function afterDelay(
  delayMs: number,
  signal: AbortSignal | undefined,
  ask: () => Promise<void>,
): Promise<void> {
  signal?.throwIfAborted();
  const end = new AbortController();
  const leave = onAbort(signal, () => end.abort(signal?.reason));
  return pRetry((attempt) => (attempt === 1 ? Promise.reject(MISS) : ask()), {
    retries: 1,
    minTimeout: delayMs,
    factor: 1,
    randomize: false,
    signal: end.signal,
  }).finally(leave);
}

const MISS = new Error('The replica missed.');
