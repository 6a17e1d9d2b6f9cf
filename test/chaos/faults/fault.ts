import type { Random } from '../random.ts';
import type { Servers } from '../servers.ts';
import type { ServiceProcess } from '../service/service-process.ts';

/** What faults strike. Two faults never strike the same one at the same time. */
export const TARGETS = [
  'the primary',
  'the first standby',
  'the second standby',
  "the primary's address",
  "the standbys' address",
  'the service',
] as const;

export type Target = (typeof TARGETS)[number];

/** What there is to strike. */
export interface Stage {
  readonly servers: Servers;
  readonly service: Pick<ServiceProcess, 'block'>;
  /** A run that nobody else writes to. */
  readonly spareRun: {
    readonly id: string;
    readonly append: () => Promise<unknown>;
  };
}

/** A fault, and how it strikes. */
export interface Fault {
  readonly name: string;
  /** The heavier, the more often. */
  readonly weight: number;
  /** Default is that it always is. */
  readonly isPossible?: (stage: Stage) => boolean;
  /** Chooses how to strike. Nothing happens yet. */
  readonly plan: (stage: Stage, random: Random) => Plan;
}

export interface Plan {
  /** What is chosen, beside the targets. */
  readonly detail?: string;
  readonly targets: readonly Target[];
  /** How long it lasts, in milliseconds, if it does not end by itself. */
  readonly lastsMs?: number;
  readonly strike: () => unknown;
  readonly undo?: () => unknown;
}
