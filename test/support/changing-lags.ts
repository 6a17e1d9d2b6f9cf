import { setTimeout as sleep } from 'node:timers/promises';
import type { Replica } from 'kysely-replica-fallback/testing';

/** How late each standby is, in milliseconds, one step after the other. No two have the same lag for long. */
const LAGS = [
  [0, 45, 15, 60],
  [60, 5, 30, 0],
];
const STEP_MS = 300;
const PAUSE_MS = 100;

/** Changes how late standbys are, and stops each for a moment now and then, until it is stopped. */
export function changeLags(replicas: readonly Replica[]): { stop(): Promise<void> } {
  const ending = new AbortController();
  const changing = replicas.map((replica, index) =>
    change(replica, LAGS[index % LAGS.length] ?? [], ending.signal),
  );
  return {
    async stop() {
      ending.abort();
      await Promise.all(changing);
    },
  };
}

async function change(replica: Replica, lags: readonly number[], end: AbortSignal): Promise<void> {
  const pause = (ms: number) => sleep(ms, undefined, { signal: end }).catch(() => {});
  while (!end.aborted) {
    for (const lag of lags) {
      if (end.aborted) break;
      await replica.setApplyDelay(lag);
      await pause(STEP_MS);
    }
    await replica.pauseReplay();
    await pause(PAUSE_MS);
    await replica.resumeReplay();
  }
  await replica.setApplyDelay(0);
}
