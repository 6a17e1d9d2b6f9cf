import type { Log } from '../service/log.ts';
import type { PlayedScene, PlayingScene } from './lab-state.ts';
import type { LiveSettings } from './live-settings.ts';
import { createNaps } from './naps.ts';
import type { Scene, SceneStep } from './scenes.ts';
import type { StandbyControl } from './standby-control.ts';

/** What scenes act on. */
export interface Stage {
  readonly settings: LiveSettings;
  readonly standby: StandbyControl | undefined;
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
  /** Begins a scene, when none is playing. It puts everything back as it was, however it ends. */
  play(scene: Scene): void;
  /** Ends the scene that is playing. Resolves when everything is back. */
  stop(): Promise<void>;
}

export function createScenePlayer({ settings, standby, onChange, log, pace }: Stage): ScenePlayer {
  const naps = createNaps();
  let current: { readonly scene: Scene; step: SceneStep | undefined } | null = null;
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
        onChange();
        if (step.standby !== undefined) await standby?.[step.standby]();
        if (step.set !== undefined) await settings.change(step.set);
        if (!isStopping) await naps.nap(step.seconds * 1000 * pace);
      }
    } finally {
      await standby?.start();
      await settings.change(before);
    }
  };

  return {
    get playing() {
      if (current === null) return null;
      const { scene, step } = current;
      return { name: scene.name, title: scene.title, says: step?.says ?? '' };
    },
    get played() {
      return played;
    },
    get asksBogusIds() {
      return current?.step?.bogusIds ?? false;
    },
    play(scene) {
      const over = (end: PlayedScene['end']): void => {
        played = { title: scene.title, end };
        current = null;
        onChange();
      };
      isStopping = false;
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
