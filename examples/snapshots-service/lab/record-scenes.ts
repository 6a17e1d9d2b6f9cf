import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from './lab.ts';
import type { LabNews } from './lab-record.ts';
import type { LabState } from './lab-state.ts';
import { INDEX, PAGE_FILES } from './page-files.ts';
import { SCENES } from './scenes.ts';

/** All that a server tells of a scene, and when, in milliseconds from the beginning. */
export type Recording = readonly ({ readonly ms: number } & (
  | { readonly state: LabState }
  | { readonly news: LabNews }
))[];

const TICK_MS = 200;
/** How long things are watched before a scene, and after it. */
const CALM_MS = 3000;
const AS_RECORDED = 'This is a recording. Run the lab yourself to set the lag.';

/**
 * Plays each scene, and writes what happened into a folder, with the page that plays it. Any web server can host that: no
 * database is behind it.
 *
 * @param onScene - hears which scene begins
 */
export async function recordScenes(
  lab: Lab,
  folder: string,
  onScene: (title: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const recordings = join(folder, 'lab', 'recordings');
  await mkdir(recordings, { recursive: true });
  const scenes = SCENES.filter(({ name }) => isPlayable(lab, name));
  for (const scene of scenes) {
    onScene(scene.title);
    const recording = await record(lab, () => lab.play(scene), signal);
    await writeFile(join(recordings, `${scene.name}.json`), JSON.stringify(recording));
  }
  for (const [name, text] of PAGE_FILES) await writeFile(join(folder, 'lab', name), text);
  const first = scenes[0]?.name ?? '';
  const index = INDEX.replace('<html lang="en">', `<html lang="en" data-recordings="${first}">`);
  await writeFile(join(folder, 'index.html'), index);
}

async function record(lab: Lab, play: () => void, signal: AbortSignal): Promise<Recording> {
  const visit = lab.visit();
  const events: Recording[number][] = [];
  const start = performance.now();
  let version = 0;
  const watch = async (isOver: (ms: number) => boolean): Promise<void> => {
    for (;;) {
      const ms = Math.round(performance.now() - start);
      if (version !== lab.version) events.push({ ms, state: asRecorded(lab.state()) });
      ({ version } = lab);
      events.push({ ms, news: visit.news() });
      if (isOver(ms)) return;
      await sleep(TICK_MS, undefined, { signal });
    }
  };
  try {
    await watch((ms) => ms >= CALM_MS);
    play();
    await watch(() => lab.state().playing === null);
    const endedAt = performance.now() - start;
    await watch((ms) => ms >= endedAt + CALM_MS);
  } finally {
    visit.end();
  }
  return events;
}

/** Only the scenes can be chosen there. */
function asRecorded(state: LabState): LabState {
  return {
    ...state,
    obstacles: { standby: AS_RECORDED, traffic: AS_RECORDED },
    scenes: state.scenes
      .filter(({ obstacle }) => obstacle === null || state.playing !== null)
      .map(({ name, title, claim }) => ({ name, title, claim, obstacle: null })),
  };
}

function isPlayable(lab: Lab, name: string): boolean {
  return lab.state().scenes.some((scene) => scene.name === name && scene.obstacle === null);
}
