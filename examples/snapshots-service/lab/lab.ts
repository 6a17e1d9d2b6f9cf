import type { Replica } from 'kysely-replica-fallback/testing';
import type { Databases } from '../service/databases.ts';
import type { Log } from '../service/log.ts';
import { ConflictError } from '../service/conflict-error.ts';
import type { SnapshotKey } from '../service/snapshot-writer.ts';
import { createActivity } from './activity.ts';
import type { LabPoll } from './lab-poll.ts';
import { createLabRecord, type LabNews } from './lab-record.ts';
import { createLabRuns } from './lab-runs.ts';
import type { LabState, Obstacle } from './lab-state.ts';
import { LANES } from './lanes.ts';
import { type LagSample, measureLag } from './lag-meter.ts';
import { createLiveSettings } from './live-settings.ts';
import { createNaps } from './naps.ts';
import { runRunners } from './runners.ts';
import { createScenePlayer } from './scene-player.ts';
import { type Scene, SCENES } from './scenes.ts';
import { CALM, clampToBounds, type LabSettings, touchesStandby } from './settings.ts';
import { createStandbyControl } from './standby-control.ts';

/** What the lab is made of. */
export interface LabParts {
  readonly databases: Pick<Databases, 'primary' | 'replica'>;
  /** One line about the servers. */
  readonly servers: string;
  /** The standby, when its lag may be changed. */
  readonly standby: Replica | undefined;
  /** The wait to begin with. */
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
   * @throws ConflictError when it cannot be made now
   */
  change(patch: Partial<LabSettings>): Promise<void>;
  /**
   * Begins a scene, unless it is playing already.
   *
   * @throws ConflictError when it cannot be played now
   */
  play(scene: Scene): void;
  /** Ends the scene that is playing. Resolves when everything is back as it was. */
  stopScene(): Promise<void>;
  /**
   * The snapshot that visitors edit.
   *
   * @throws ConflictError when the lab is not open
   */
  draft(): Promise<SnapshotKey>;
  visit(): LabVisit;
  /** How many visits there are now. */
  readonly visits: number;
  /** Ends all visits and all work, and leaves nothing in the database. */
  close(): Promise<void>;
}

/** Somebody who watches. */
interface LabVisit {
  /** What happened since the last call. */
  readonly news: () => LabNews;
  readonly end: () => void;
  /** Aborts when the visit has ended, which the lab may do, too. */
  readonly over: AbortSignal;
}

const NOT_OPEN = 'The demonstration in the terminal comes first. The lab opens when it has ended.';
const OWN_SERVERS = 'These servers are your own, so their lag is left alone.';

export function createLab({ databases, servers, log, pace = 1, ...parts }: LabParts): Lab {
  let version = 1;
  let isOpen = false;
  const visits = new Set<LabVisit>();
  const naps = createNaps();
  const changed = (): void => {
    version += 1;
    naps.wakeAll();
  };

  const standby = parts.standby && createStandbyControl(parts.standby);
  const { min, max } = parts.retryMs;
  const defaults = clampToBounds({ ...CALM, retryMinMs: min, retryMaxMs: max });
  const settings = createLiveSettings(defaults, standby, changed);
  const record = createLabRecord();
  const onMark = record.addMark;
  const player = createScenePlayer({ settings, standby, onMark, onChange: changed, log, pace });
  const onPoll = (poll: LabPoll): void => {
    record.addPoll(poll);
    player.count(poll);
  };
  const onSample = (sample: LagSample): void => {
    const { retryMinMs, retryMaxMs } = settings.current;
    record.addSample({ ...sample, retryMinMs, retryMaxMs });
  };
  let questions = 0;
  const nextId = () => (questions += 1);
  const runs = createLabRuns(databases.primary);
  const activity = createActivity(async (signal) => {
    // So that the standby has it by the time that somebody edits it.
    runs.draft().catch((error) => log.warn('The lab has no snapshot to edit yet.', { error }));
    await Promise.all([
      runRunners({ databases, runs, settings, player, naps, nextId, onPoll, log }, signal),
      measureLag(databases, onSample, signal),
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

  return {
    get version() {
      return version;
    },
    get visits() {
      return visits.size;
    },
    open() {
      isOpen = true;
      changed();
      startOrStop();
    },
    state: () => ({
      servers,
      settings: settings.current,
      defaults,
      lanes: LANES.map(({ name, title, says }) => ({ name, title, says })),
      obstacles: { standby: obstacle(true), traffic: obstacle(false) },
      scenes: SCENES.map(({ name, title, claim, needsStandby }) => {
        return { name, title, claim, obstacle: obstacle(needsStandby) };
      }),
      playing: player.playing,
      played: player.played,
    }),
    async change(patch) {
      overcome(obstacle(touchesStandby(patch)));
      player.forget();
      await settings.change(patch);
    },
    play(scene) {
      if (player.playing?.name === scene.name) return;
      overcome(obstacle(scene.needsStandby));
      player.play(scene);
    },
    stopScene: () => player.stop(),
    async draft() {
      if (!isOpen) throw new ConflictError(NOT_OPEN);
      return runs.draft();
    },
    visit() {
      const over = new AbortController();
      const visit: LabVisit = {
        news: record.reader(),
        end: () => {
          visits.delete(visit);
          over.abort();
          startOrStop();
        },
        over: over.signal,
      };
      visits.add(visit);
      startOrStop();
      return visit;
    },
    async close() {
      isOpen = false;
      for (const visit of visits) visit.end();
      await player.stop();
      await activity.stop();
      await runs.deleteAll().catch((error) => log.warn('The runs of the lab stay.', { error }));
    },
  };
}

function overcome(obstacle: Obstacle): void {
  if (obstacle !== null) throw new ConflictError(obstacle);
}
