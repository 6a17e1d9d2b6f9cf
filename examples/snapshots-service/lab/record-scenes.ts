import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from './lab.ts';
import type { LabNews } from './lab-record.ts';
import type { LabState } from './lab-state.ts';
import { INDEX, PAGE_FILES } from './page-files.ts';
import { explain, UsageError } from '../program.ts';
import { type Scene, SCENES } from './scenes.ts';

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
  const scenes = SCENES.filter(({ name }) => isPlayable(lab, name));
  try {
    for (const scene of scenes) {
      onScene(scene.title);
      const recording = await record(lab, scene, scenes, signal);
      await writeFile(join(recordings, `${scene.name}.json`), JSON.stringify(recording));
    }
  } catch (error) {
    await rm(join(folder, 'lab'), { recursive: true });
    throw error;
  }
  for (const [name, text] of PAGE_FILES) await writeFile(join(folder, 'lab', name), text);
  const names = scenes.map(({ name }) => name).join(' ');
  const index = INDEX.replace('<html lang="en">', `<html lang="en" data-recordings="${names}">`);
  await writeFile(join(folder, 'index.html'), index);
}

/**
 * Makes the folders that recordings go to.
 *
 * @throws UsageError when there is something else
 */
export async function prepareFolder(folder: string): Promise<void> {
  const recordings = join(folder, 'lab', 'recordings');
  const isEmpty = await readdir(folder).then(
    (names) => names.length === 0,
    () => true,
  );
  if (!isEmpty)
    throw new UsageError(`Expected \`--record\` to be a new or empty folder, got ${folder}.`);
  await mkdir(recordings, { recursive: true }).catch((cause) => {
    throw new UsageError(`Cannot make the folder ${folder}: ${explain(cause)}`, { cause });
  });
}

async function record(
  lab: Lab,
  scene: Scene,
  scenes: readonly Scene[],
  signal: AbortSignal,
): Promise<Recording> {
  const visit = lab.visit();
  while (visit.news().isPart); // of the scene before
  const playedBefore = lab.state().played;
  const events: Recording[number][] = [];
  const start = performance.now();
  let version = 0;
  const watch = async (isOver: (ms: number) => boolean): Promise<void> => {
    for (;;) {
      const ms = Math.round(performance.now() - start);
      if (version !== lab.version)
        events.push({ ms, state: asRecorded(lab.state(), scenes, playedBefore) });
      ({ version } = lab);
      events.push({ ms, news: visit.news() });
      if (isOver(ms)) return;
      await sleep(TICK_MS, undefined, { signal });
    }
  };
  try {
    await watch((ms) => ms >= CALM_MS);
    lab.play(scene);
    await watch(() => lab.state().playing === null);
    const endedAt = performance.now() - start;
    await watch((ms) => ms >= endedAt + CALM_MS);
  } finally {
    visit.end();
  }
  if (lab.state().played?.end !== 'finished') throw new Error(`“${scene.title}” failed.`);
  return events;
}

/** Only the scenes that were recorded can be chosen there. */
function asRecorded(
  state: LabState,
  scenes: readonly Scene[],
  playedBefore: LabState['played'],
): LabState {
  return {
    ...state,
    obstacles: { standby: AS_RECORDED, traffic: AS_RECORDED },
    scenes: scenes.map(({ name, title, claim }) => ({ name, title, claim, obstacle: null })),
    played: state.played === playedBefore ? null : state.played,
  };
}

function isPlayable(lab: Lab, name: string): boolean {
  return lab.state().scenes.some((scene) => scene.name === name && scene.obstacle === null);
}
