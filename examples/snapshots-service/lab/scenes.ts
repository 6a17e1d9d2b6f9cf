import type { LabOutcome, LaneName } from './lab-poll.ts';
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
export type SceneOutcome = LabOutcome | 'lie';

/** A script that shows one thing, and puts everything back as it was. */
export interface Scene {
  readonly name: string;
  readonly title: string;
  /** What it will show, in a line. */
  readonly claim: string;
  /** Whether it acts on the standby itself. */
  readonly needsStandby: boolean;
  /** Outcomes that it is sure to produce in a lane, */
  readonly shows: OutcomesByLane;
  /** and those that it never does. */
  readonly never: OutcomesByLane;
  readonly steps: readonly SceneStep[];
}

type OutcomesByLane = Partial<Readonly<Record<LaneName, readonly SceneOutcome[]>>>;

const BUSY = { ...CALM, pollsPerSecond: 8 };
/** What this package never does, whatever the lag. */
const NEVER = ['lie', 'error'] as const;

export const SCENES: readonly Scene[] = [
  {
    name: 'write-spike',
    title: 'Write spike',
    claim:
      'Lag swells to 150 ms. Catch-up waits just that long, blind waits are a lottery, and the bare replica lies.',
    needsStandby: true,
    shows: {
      replica: ['replica', 'lie'],
      primary: ['primary'],
      sticky: ['primary', 'lie'],
      blind: ['replica_retry', 'primary'],
      'catch-up': ['replica', 'replica_retry'],
    },
    never: { primary: NEVER, blind: NEVER, 'catch-up': NEVER },
    steps: [
      { says: 'All is calm: the replica has nearly everything.', seconds: 2, set: BUSY },
      {
        says: 'Three times the writes, and the standby falls 60 ms behind.',
        seconds: 4,
        set: { runners: 12, lagMs: 60 },
      },
      {
        says: '150 ms behind: some blind waits end too early, and those reads spill.',
        seconds: 4,
        set: { lagMs: 150 },
      },
      { says: 'The standby catches up.', seconds: 2, set: { runners: 4, lagMs: 0 } },
    ],
  },
  {
    name: 'long-lag',
    title: 'Lag longer than the window',
    claim:
      'A second of lag, and a wait of at most 200 ms: blind waits are in vain, and catch-up knows that.',
    needsStandby: true,
    shows: {
      replica: ['lie'],
      sticky: ['primary', 'lie'],
      blind: ['primary'],
      'catch-up': ['primary'],
    },
    never: { primary: NEVER, blind: NEVER, 'catch-up': NEVER },
    steps: [
      { says: 'All is calm.', seconds: 2, set: BUSY },
      {
        says: 'One second behind: after one wait, catch-up goes to the primary at once. Each blind read waits in vain.',
        seconds: 5,
        set: { lagMs: 1000 },
      },
      { says: 'The standby catches up.', seconds: 3, set: { lagMs: 0 } },
    ],
  },
  {
    name: 'standby-restart',
    title: 'Standby restart',
    claim: 'The standby is down for a moment: reads with a fallback go to the primary at once.',
    needsStandby: true,
    shows: {
      replica: ['replica', 'error'],
      sticky: ['primary', 'error'],
      blind: ['replica', 'primary'],
      'catch-up': ['replica', 'primary'],
    },
    never: { primary: NEVER, blind: NEVER, 'catch-up': NEVER },
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
    shows: {
      replica: ['not_found'],
      primary: ['not_found'],
      blind: ['not_found'],
      'catch-up': ['not_found'],
    },
    never: { primary: NEVER, blind: NEVER, 'catch-up': NEVER },
    steps: [
      {
        says: 'With catch-up, the primary is asked how far it is, but for no row. Blind retries ask it for every one.',
        seconds: 6,
        set: BUSY,
        bogusIds: true,
      },
    ],
  },
];
