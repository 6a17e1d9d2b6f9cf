import { setTimeout as sleep } from 'node:timers/promises';

const POLL_INTERVAL_MS = 10;

/** Asks again and again until the answer is yes. Rejects with what `explain` says once `timeoutMs` have passed. */
export async function pollUntil(
  isReached: () => boolean | Promise<boolean>,
  timeoutMs: number,
  explain: () => string,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await isReached())) {
    if (performance.now() >= deadline) throw new Error(explain());
    await sleep(POLL_INTERVAL_MS);
  }
}
