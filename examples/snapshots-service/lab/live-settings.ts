import { type LabSettings, touchesStandby } from './settings.ts';
import type { StandbyControl } from './standby-control.ts';

/** The settings that are in force. */
export interface LiveSettings {
  readonly current: LabSettings;
  /** Resolves when the changes are in force, on the standby too if there is one to be changed. */
  readonly change: (patch: Partial<LabSettings>) => Promise<void>;
}

/** @param onChange - hears that something else is in force now */
export function createLiveSettings(
  initial: LabSettings,
  standby: StandbyControl | undefined,
  onChange: () => void,
): LiveSettings {
  let current = initial;
  return {
    get current() {
      return current;
    },
    async change(patch) {
      const { lagMs, paused, ...others } = patch;
      current = { ...current, ...others };
      onChange();
      if (standby === undefined || !touchesStandby(patch)) return;
      // By then, changes that were asked for before this one are in force as well.
      const next = () => ({ lagMs: lagMs ?? current.lagMs, paused: paused ?? current.paused });
      await standby.apply(next);
      current = { ...current, ...next() };
      onChange();
    },
  };
}
