import { setTimeout as sleep } from 'node:timers/promises';
import type { Replica } from 'kysely-replica-fallback/testing';

/** How late each standby is, in milliseconds, one step after the other. No two have the same lag for long. */
const LAGS = [
  [0, 45, 15, 60],
  [60, 5, 30, 0],
];
const STEP_MS = 300;

/** What can befall a standby, and is over when it resolves. */
export type Mishap = (replica: Replica) => Promise<void>;

export function pauseOfReplay(milliseconds: number): Mishap {
  return async (replica) => {
    await replica.pauseReplay();
    await sleep(milliseconds);
    await replica.resumeReplay();
  };
}

export const restart: Mishap = (replica) => replica.restart();

export const crash: Mishap = async (replica) => {
  await replica.kill();
  await replica.start();
};

/** Standbys whose lags change. */
export interface ChangingLags {
  /** How many mishaps each of them has come through so far. */
  readonly mishaps: readonly number[];
  /** Leaves them without a lag. */
  stop(): Promise<void>;
}

/** Changes how late standbys are, and lets something befall each of them now and then, until it is stopped. */
export function changeLags(
  replicas: readonly Replica[],
  mishaps: readonly Mishap[] = [pauseOfReplay(100)],
): ChangingLags {
  const ending = new AbortController();
  const counts = replicas.map(() => 0);
  const changing = Promise.all(
    replicas.map(async (replica, index) => {
      const lags = LAGS[index % LAGS.length] ?? [];
      for (let round = index; !ending.signal.aborted; round++) {
        await change(replica, lags, ending.signal);
        await mishaps[round % mishaps.length]?.(replica);
        counts[index] = round - index + 1;
      }
      await replica.setApplyDelay(0);
    }),
  );
  changing.catch(() => {}); // heard of by who stops it
  return {
    mishaps: counts,
    async stop() {
      ending.abort();
      await changing;
    },
  };
}

async function change(replica: Replica, lags: readonly number[], end: AbortSignal): Promise<void> {
  for (const lag of lags) {
    if (end.aborted) return;
    await replica.setApplyDelay(lag);
    await sleep(STEP_MS, undefined, { signal: end }).catch(() => {});
  }
}
