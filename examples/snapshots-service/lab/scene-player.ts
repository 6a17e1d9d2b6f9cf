import type { Log } from '../service/log.ts';
import type { LabPoll } from './lab-poll.ts';
import type { LabMark } from './lab-record.ts';
import type { PlayedScene, PlayingScene } from './lab-state.ts';
import type { LiveSettings } from './live-settings.ts';
import { createNaps } from './naps.ts';
import type { Scene, SceneStep } from './scenes.ts';
import type { StandbyControl } from './standby-control.ts';
import { addToTally, NO_POLLS } from './tally.ts';

/** What scenes act on. */
export interface Stage {
  readonly settings: LiveSettings;
  readonly standby: StandbyControl | undefined;
  /** Hears when a step begins. */
  readonly onMark: (mark: LabMark) => void;
  /** Hears of each change of what the player shows. */
  readonly onChange: () => void;
  readonly log: Log;
  /** What the steps' seconds are multiplied by. */
  readonly pace: number;
}

/** Plays one scene at a time. */
export interface ScenePlayer {
  readonly playing: PlayingScene | null;
  readonly played: PlayedScene | null;
  /** Whether every second poll is to ask for an id that exists nowhere. */
  readonly asksBogusIds: boolean;
  /** Counts a poll, if a scene is playing. */
  count(poll: LabPoll): void;
  /** Forgets how the last scene ended. */
  forget(): void;
  /** Begins a scene, when none is playing. It puts everything back as it was, however it ends. */
  play(scene: Scene): void;
  /** Ends the scene that is playing. Resolves when everything is back. */
  stop(): Promise<void>;
}

export function createScenePlayer(stage: Stage): ScenePlayer {
  const { settings, standby, onMark, onChange, log, pace } = stage;
  const naps = createNaps();
  let current: { readonly scene: Scene; step: SceneStep | undefined } | null = null;
  let tally = NO_POLLS;
  let played: PlayedScene | null = null;
  let isStopping = false;
  let done: Promise<void> = Promise.resolve();

  const perform = async (scene: Scene): Promise<void> => {
    await standby?.idle(); // what a visitor asked for before is part of how things were
    const before = settings.current;
    try {
      for (const step of scene.steps) {
        if (isStopping) break;
        current = { scene, step };
        onMark({ at: Date.now(), text: `${scene.title}: ${step.says}` });
        onChange();
        if (step.standby !== undefined) await standby?.[step.standby]();
        if (step.set !== undefined) await settings.change(step.set);
        if (!isStopping) await naps.nap(step.seconds * 1000 * pace);
      }
    } finally {
      try {
        await standby?.start();
      } finally {
        await settings.change(before);
      }
    }
  };

  return {
    get playing() {
      if (current === null) return null;
      const { scene, step } = current;
      return {
        name: scene.name,
        title: scene.title,
        says: step?.says ?? '',
        step: step === undefined ? 1 : scene.steps.indexOf(step) + 1,
        steps: scene.steps.length,
      };
    },
    get played() {
      return played;
    },
    get asksBogusIds() {
      return current?.step?.bogusIds ?? false;
    },
    count(poll) {
      if (current !== null) tally = addToTally(tally, poll);
    },
    forget() {
      played = null;
    },
    play(scene) {
      const over = (end: PlayedScene['end']): void => {
        played = { name: scene.name, title: scene.title, end, tally };
        current = null;
        onChange();
      };
      isStopping = false;
      tally = NO_POLLS;
      current = { scene, step: undefined };
      onChange();
      done = perform(scene).then(
        () => over(isStopping ? 'stopped' : 'finished'),
        (error: unknown) => {
          log.error('A scene of the lab failed.', { scene: scene.name, error });
          over('failed');
        },
      );
    },
    async stop() {
      isStopping = true;
      naps.wakeAll();
      await done;
    },
  };
}
