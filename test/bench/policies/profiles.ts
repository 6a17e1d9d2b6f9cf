import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import type { Replica } from 'kysely-replica-fallback/testing';
import type { Database } from './policies.ts';

/** How a standby lags in the course of time. */
export interface Profile {
  readonly name: string;
  /** Plays until the signal aborts. */
  play(standby: Standby, signal: AbortSignal, stage: Stage): Promise<void>;
}

interface Stage {
  /** How much of the time is over, from 0 to 1. */
  readonly share: () => number;
  readonly primary: Kysely<Database>;
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
      play: (standby, signal, { share }) =>
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
    {
      // Writes 100 rows a second, all of them in one transaction.
      name: '5 ms, beside a bulk import',
      async play(standby, signal, { primary }) {
        await standby.setApplyDelay(5);
        const bulk = await primary.startTransaction().execute();
        for (let row = 0; !signal.aborted; row++) {
          await bulk
            .insertInto('bench_orders')
            .values({ id: `bulk-${row}`, version: 1 })
            .execute();
          await pause(10, signal);
        }
        await bulk.rollback().execute();
      },
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
