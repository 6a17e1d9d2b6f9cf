import { CALM, type LabSettings } from './settings.ts';

/** A change, and how long it is watched. */
export interface SceneStep {
  /** What a visitor is told meanwhile. */
  readonly says: string;
  readonly seconds: number;
  readonly set?: Partial<LabSettings>;
  readonly standby?: 'stop' | 'start';
  /** Whether every second poll asks for an id that exists nowhere. Lasts for this step. */
  readonly bogusIds?: boolean;
}

/** How a poll can end, as the lab counts it: a `lie` is a `not_found` about a row that exists. */
export type SceneOutcome = 'replica' | 'replica_retry' | 'primary' | 'not_found' | 'lie' | 'error';

/** A script that shows one thing, and puts everything back as it was. */
export interface Scene {
  readonly name: string;
  readonly title: string;
  /** What it will show, in a line. */
  readonly claim: string;
  /** Whether it acts on the standby itself. */
  readonly needsStandby: boolean;
  /** Outcomes that it is sure to produce, */
  readonly shows: readonly SceneOutcome[];
  /** and those that it never does. */
  readonly never: readonly SceneOutcome[];
  readonly steps: readonly SceneStep[];
}

const BUSY = { ...CALM, pollsPerSecond: 8 };

export const SCENES: readonly Scene[] = [
  {
    name: 'write-spike',
    title: 'Write spike',
    claim: 'Lag swells to 150 ms: catch-up spares the primary, blind waits let some reads spill.',
    needsStandby: true,
    shows: ['replica', 'replica_retry', 'primary'],
    never: ['lie', 'error', 'not_found'],
    steps: [
      { says: 'All is calm: the replica has nearly everything.', seconds: 2, set: BUSY },
      {
        says: 'Three times the writes, and the standby falls 60 ms behind: reads wait just that long.',
        seconds: 3,
        set: { runners: 12, lagMs: 60 },
      },
      {
        says: '150 ms behind: they wait longer, and the primary is still spared.',
        seconds: 3,
        set: { lagMs: 150 },
      },
      {
        says: 'The same without catch-up: short waits end too early, and those reads spill.',
        seconds: 3,
        set: { catchUp: false },
      },
      { says: 'The standby catches up.', seconds: 2, set: { runners: 4, lagMs: 0 } },
    ],
  },
  {
    name: 'long-lag',
    title: 'Lag longer than the window',
    claim:
      'A second of lag, a wait of at most 200 ms: all reads spill. Without the fallback, all lie.',
    needsStandby: true,
    shows: ['primary', 'lie'],
    never: ['error'],
    steps: [
      {
        says: 'One second behind: after one wait that is clear, and reads go to the primary at once.',
        seconds: 4,
        set: { ...BUSY, lagMs: 1000 },
      },
      {
        says: 'The same without catch-up: each read waits in vain before the primary serves it.',
        seconds: 3,
        set: { catchUp: false },
      },
      {
        says: 'Without the fallback: “not found” about rows that exist.',
        seconds: 3,
        set: { fallback: false },
      },
    ],
  },
  {
    name: 'standby-restart',
    title: 'Standby restart',
    claim: 'The standby is down for a moment: reads go to the primary at once, and none fails.',
    needsStandby: true,
    shows: ['replica', 'primary'],
    never: ['lie', 'error', 'not_found'],
    steps: [
      { says: 'All is calm.', seconds: 2, set: BUSY },
      { says: 'Down: no wait, no retry, straight to the primary.', seconds: 3, standby: 'stop' },
      { says: 'Up again: the replica takes over by itself.', seconds: 3, standby: 'start' },
    ],
  },
  {
    name: 'bogus-ids',
    title: 'Bogus ids',
    claim: 'Half the polls ask for what exists nowhere: a replica that has caught up can say so.',
    needsStandby: false,
    shows: ['not_found'],
    never: ['lie', 'error'],
    steps: [
      {
        says: 'The replica has what the primary had, so its “not found” is true: no read on the primary.',
        seconds: 4,
        set: BUSY,
        bogusIds: true,
      },
      {
        says: 'Without catch-up, only the primary can say “not found” and be believed.',
        seconds: 4,
        set: { catchUp: false },
        bogusIds: true,
      },
    ],
  },
];
