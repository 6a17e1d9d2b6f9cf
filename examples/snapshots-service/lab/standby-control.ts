import type { Replica } from 'kysely-replica-fallback/testing';
import type { LabSettings } from './settings.ts';

type StandbySettings = Pick<LabSettings, 'lagMs' | 'paused'>;

/** Makes the standby be as it is set, one change after the other. */
export interface StandbyControl {
  /**
   * Resolves when the standby is like this.
   *
   * @param settings - asked when the changes before this one are done
   */
  apply(settings: () => StandbySettings): Promise<void>;
  /** Shuts it down. */
  stop(): Promise<void>;
  /** Starts it, if it is down. */
  start(): Promise<void>;
  /** Resolves when no change is under way any more. */
  idle(): Promise<void>;
}

export function createStandbyControl(standby: Replica): StandbyControl {
  let last: Promise<void> = Promise.resolve();
  const enqueue = (change: () => Promise<void>): Promise<void> => {
    const done = last.then(change);
    last = done.catch(() => {});
    return done;
  };
  return {
    apply: (settings) =>
      enqueue(async () => {
        const { lagMs, paused } = settings();
        await standby.setApplyDelay(lagMs);
        await (paused ? standby.pauseReplay() : standby.resumeReplay());
      }),
    stop: () => enqueue(() => standby.stop()),
    start: () => enqueue(() => standby.start()),
    idle: () => last,
  };
}
