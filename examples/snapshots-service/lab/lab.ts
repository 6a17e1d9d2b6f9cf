import type { Replica } from 'kysely-replica-fallback/testing';
import type { Databases } from '../databases.ts';
import type { Log } from '../log.ts';
import { RequestError } from '../problem.ts';
import { createActivity } from './activity.ts';
import { createLabRecord, type LabNews } from './lab-record.ts';
import { createLabRuns } from './lab-runs.ts';
import type { LabState, Obstacle } from './lab-state.ts';
import { measureLag } from './lag-meter.ts';
import { createNaps } from './naps.ts';
import { runRunners } from './runners.ts';
import { createScenePlayer } from './scene-player.ts';
import { type Scene, SCENES } from './scenes.ts';
import { BOUNDS, CALM, type LabSettings, touchesStandby } from './settings.ts';
import { createStandbyControl } from './standby-control.ts';

/** What the lab is made of. */
export interface LabParts {
  readonly databases: Pick<Databases, 'primary' | 'replica'>;
  /** One line about the servers. */
  readonly servers: string;
  /** The standby, when its lag may be changed. */
  readonly standby: Replica | undefined;
  /** The bounds of the wait to begin with. */
  readonly retryMs: { readonly min: number; readonly max: number };
  readonly log: Log;
  /** What the scenes' seconds are multiplied by. Default is 1. */
  readonly pace?: number;
}

/** Runners that poll a standby whose lag visitors control. They work only while somebody visits. */
export interface Lab {
  /** Lets visitors work with it. */
  open(): void;
  state(): LabState;
  /** Counts up with each change of the state. */
  readonly version: number;
  /**
   * Resolves when the change is in force.
   *
   * @throws RequestError when it cannot be made now
   */
  change(patch: Partial<LabSettings>): Promise<void>;
  /** @throws RequestError when it cannot be played now */
  play(scene: Scene): void;
  /** Ends the scene that is playing. Resolves when everything is back as it was. */
  stopScene(): Promise<void>;
  visit(): Visit;
  /** How many visits there are now. */
  readonly visits: number;
  readonly isClosed: boolean;
  /** Ends all work, and leaves nothing in the database. */
  close(): Promise<void>;
}

/** Somebody who watches. */
export interface Visit {
  /** What happened since the last call. */
  news(): LabNews;
  end(): void;
}

const NOT_OPEN = 'The demonstration in the terminal comes first. The lab opens when it has ended.';
const OWN_SERVERS = 'These servers are your own, so their lag is left alone.';

export function createLab(parts: LabParts): Lab {
  const { databases, servers, retryMs, log, pace = 1 } = parts;
  const standby = parts.standby && createStandbyControl(parts.standby);
  const record = createLabRecord();
  const runs = createLabRuns(databases.primary);
  const naps = createNaps();
  const visits = new Set<Visit>();
  let isOpen = false;
  let isClosed = false;
  let version = 1;
  let settings: LabSettings = {
    ...CALM,
    retryMinMs: Math.min(retryMs.min, BOUNDS.retryMinMs.max),
    retryMaxMs: Math.min(retryMs.max, BOUNDS.retryMaxMs.max),
  };

  const changed = (): void => {
    version += 1;
    naps.wakeAll();
  };
  const bringAbout = async ({ lagMs, paused, ...traffic }: Partial<LabSettings>): Promise<void> => {
    settings = { ...settings, ...traffic };
    changed();
    if (standby === undefined || (lagMs === undefined && paused === undefined)) return;
    await standby.apply(() => ({
      lagMs: lagMs ?? settings.lagMs,
      paused: paused ?? settings.paused,
    }));
    settings = { ...settings, lagMs: lagMs ?? settings.lagMs, paused: paused ?? settings.paused };
    changed();
  };
  const player = createScenePlayer({
    settings: () => settings,
    bringAbout,
    standby,
    onChange: changed,
    log,
    pace,
  });

  const runnersParts = {
    databases,
    runs,
    settings: () => settings,
    asksBogusIds: () => player.asksBogusIds,
    naps,
    onPoll: record.addPoll,
    log,
  };
  const activity = createActivity(async (signal) => {
    await Promise.all([
      runRunners(runnersParts, signal),
      measureLag(databases, record.addLag, signal),
    ]);
  });
  const startOrStop = (): void => {
    if (isOpen && visits.size > 0) activity.start();
    else void activity.stop();
  };

  const obstacle = (needsStandby: boolean): Obstacle => {
    if (!isOpen) return NOT_OPEN;
    if (needsStandby && standby === undefined) return OWN_SERVERS;
    if (player.playing === null) return null;
    return `“${player.playing.title}” is playing, and puts everything back when it ends.`;
  };
  const overcome = (reason: Obstacle): void => {
    if (reason !== null) throw new RequestError(409, reason);
  };

  return {
    get version() {
      return version;
    },
    get visits() {
      return visits.size;
    },
    get isClosed() {
      return isClosed;
    },
    open() {
      isOpen = true;
      changed();
      startOrStop();
    },
    state: () => ({
      servers,
      settings,
      obstacles: { standby: obstacle(true), traffic: obstacle(false) },
      scenes: SCENES.map(({ name, title, claim, needsStandby }) => {
        return { name, title, claim, obstacle: obstacle(needsStandby) };
      }),
      playing: player.playing,
      played: player.played,
    }),
    async change(patch) {
      overcome(obstacle(touchesStandby(patch)));
      await bringAbout(patch);
    },
    play(scene) {
      overcome(obstacle(scene.needsStandby));
      player.play(scene);
    },
    stopScene: () => player.stop(),
    visit() {
      const visit: Visit = {
        news: record.reader(),
        end() {
          if (visits.delete(visit)) startOrStop();
        },
      };
      visits.add(visit);
      startOrStop();
      return visit;
    },
    async close() {
      isOpen = false;
      isClosed = true;
      changed();
      await player.stop();
      await activity.stop();
      await runs.deleteAll().catch((error) => log.warn('The runs of the lab stay.', { error }));
    },
  };
}
