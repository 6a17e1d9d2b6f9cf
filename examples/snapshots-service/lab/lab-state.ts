import type { LaneOnShow } from './lanes.ts';
import type { LabSettings } from './settings.ts';
import type { Tally } from './tally.ts';

/** Why something cannot be used now, for humans, or `null` when it can. */
export type Obstacle = string | null;

/** All of the lab that changes only when somebody changes it. */
export interface LabState {
  /** One line about the servers. */
  readonly servers: string;
  readonly settings: LabSettings;
  /** Where the lab begins. */
  readonly defaults: LabSettings;
  readonly lanes: readonly LaneOnShow[];
  readonly obstacles: {
    /** To the standby's lag and pause. */
    readonly standby: Obstacle;
    /** To all other settings. */
    readonly traffic: Obstacle;
  };
  readonly scenes: readonly SceneOnShow[];
  readonly playing: PlayingScene | null;
  /** How the last scene ended. */
  readonly played: PlayedScene | null;
}

/** A scene, as a visitor sees it. */
interface SceneOnShow {
  readonly name: string;
  readonly title: string;
  readonly claim: string;
  readonly obstacle: Obstacle;
}

export interface PlayingScene {
  readonly name: string;
  readonly title: string;
  /** What is to be seen just now. */
  readonly says: string;
  /** The number of the step, counted from 1, */
  readonly step: number;
  /** of how many. */
  readonly steps: number;
}

export interface PlayedScene {
  readonly name: string;
  readonly title: string;
  readonly end: 'finished' | 'stopped' | 'failed';
  /** What came of its polls. */
  readonly tally: Tally;
}
