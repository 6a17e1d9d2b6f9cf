/** What a visitor of the lab sets, all of it live. */
export interface LabSettings {
  /** How long after the primary's commit the standby shows it. */
  readonly lagMs: number;
  /** Whether the standby's replay is held where it is. */
  readonly paused: boolean;
  /** A blind wait is between these two, and one for the standby to catch up at most as long as the second. */
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  /** Of each runner. */
  readonly pollsPerSecond: number;
  readonly runners: number;
}

/** How far a number may go. */
export interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly isInteger: boolean;
}

/** The settings that are numbers, and how far each may go: the lab is an open door to real servers. */
export const BOUNDS = {
  lagMs: { min: 0, max: 5000, isInteger: true },
  retryMinMs: { min: 0, max: 2000, isInteger: true },
  retryMaxMs: { min: 0, max: 2000, isInteger: true },
  pollsPerSecond: { min: 0.2, max: 10, isInteger: false },
  runners: { min: 0, max: 20, isInteger: true },
} as const satisfies Partial<Record<keyof LabSettings, Bounds>>;

const NUMBERS = [
  'lagMs',
  'retryMinMs',
  'retryMaxMs',
  'pollsPerSecond',
  'runners',
] as const satisfies (keyof typeof BOUNDS)[];

/** Whether a change acts on the standby itself, and so needs one that may be changed. */
export function touchesStandby({ lagMs, paused }: Partial<LabSettings>): boolean {
  return lagMs !== undefined || paused !== undefined;
}

/** The settings, with each number as near as its bounds allow. */
export function clampToBounds(settings: LabSettings): LabSettings {
  const clamped = { ...settings };
  for (const name of NUMBERS) {
    const { min, max } = BOUNDS[name];
    clamped[name] = Math.min(Math.max(settings[name], min), max);
  }
  return clamped;
}

/** Where the lab begins, and what its scenes build on. */
export const CALM: LabSettings = {
  lagMs: 0,
  paused: false,
  retryMinMs: 50,
  retryMaxMs: 200,
  pollsPerSecond: 5,
  runners: 4,
};
