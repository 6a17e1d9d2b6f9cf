import { setTimeout as sleep } from 'node:timers/promises';
import type { Replica } from 'kysely-replica-fallback/testing';

/** How a standby lags in the course of time. */
export interface Profile {
  readonly name: string;
  /** Plays until the signal aborts. `share` tells how much of the time is over, from 0 to 1. */
  play(standby: Standby, signal: AbortSignal, share: () => number): Promise<void>;
}

type Standby = Pick<Replica, 'setApplyDelay' | 'pauseReplay' | 'resumeReplay'>;

const STEP_MS = 250;

export function listProfiles(random: () => number): Profile[] {
  return [
    steady(20),
    steady(80),
    {
      name: '5 ms, spikes of 400 ms',
      play: (standby, signal) =>
        repeat(signal, async () => {
          await standby.setApplyDelay(5);
          await pause(2_000, signal);
          await standby.setApplyDelay(400);
          await pause(500, signal);
        }),
    },
    {
      name: 'a ramp to 600 ms',
      play: (standby, signal, share) =>
        repeat(signal, async () => {
          await standby.setApplyDelay(Math.round(600 * share()));
          await pause(STEP_MS, signal);
        }),
    },
    {
      name: 'paused 3 s of every 5',
      play: (standby, signal) =>
        repeat(signal, async () => {
          await pause(2_000, signal);
          await standby.pauseReplay();
          await pause(3_000, signal);
          await standby.resumeReplay();
        }),
    },
    {
      // Pareto: half of the steps below 18 ms, one in a hundred above 460 ms.
      name: 'heavy-tailed from 10 ms',
      play: (standby, signal) =>
        repeat(signal, async () => {
          await standby.setApplyDelay(
            Math.round(Math.min(2_000, (10 * (1 - random()) ** -1) / 1.2)),
          );
          await pause(STEP_MS, signal);
        }),
    },
  ];
}

function steady(lagMs: number): Profile {
  return {
    name: `steady ${lagMs} ms`,
    play: async (standby, signal) => {
      await standby.setApplyDelay(lagMs);
      await pause(Infinity, signal);
    },
  };
}

async function repeat(signal: AbortSignal, step: () => Promise<void>): Promise<void> {
  while (!signal.aborted) await step();
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(Math.min(ms, 2 ** 31 - 1), undefined, { signal }).catch(() => {});
}
