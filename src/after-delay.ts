import pRetry from 'p-retry';

/**
 * Waits, unless the signal aborts, and then asks. p-retry waits before a second try, so its first one is the miss that has
 * already happened. `ask` never rejects with what the query or `pickReplica` threw, which p-retry would wrap if it is no
 * `Error`, and not let pass if it is a `TypeError`.
 */
export function afterDelay(
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
