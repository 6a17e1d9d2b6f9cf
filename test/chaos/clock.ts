import { setTimeout as sleep } from 'node:timers/promises';

/** Seconds since the run began, such as `12.345`: all that is told of a run happens on this clock. */
export function now(): string {
  return at(performance.now());
}

/** @param time - of `performance.now()` */
export function at(time: number): string {
  return (time / 1000).toFixed(3).padStart(8);
}

/** Resolves after so many milliseconds, or as soon as the signal aborts. */
export async function pause(ms: number, end: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal: end }).catch(() => {});
}
