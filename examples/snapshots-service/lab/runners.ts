import type { Databases } from '../service/databases.ts';
import type { Log } from '../service/log.ts';
import { v7 as uuidV7 } from 'uuid';
import type { LabPoll } from './lab-poll.ts';
import type { LabRuns } from './lab-runs.ts';
import { LANES } from './lanes.ts';
import type { LiveSettings } from './live-settings.ts';
import type { Naps } from './naps.ts';
import type { Question } from './question.ts';
import type { ScenePlayer } from './scene-player.ts';
import { BOUNDS, type LabSettings } from './settings.ts';
import { watchRead } from './watched-read.ts';

/** What the runners work with. */
export interface RunnersParts {
  readonly databases: Pick<Databases, 'primary' | 'replica'>;
  readonly runs: LabRuns;
  readonly settings: Pick<LiveSettings, 'current'>;
  readonly player: Pick<ScenePlayer, 'asksBogusIds'>;
  /** To be woken when any of the two changes. */
  readonly naps: Naps;
  /** Numbers the questions. */
  readonly nextId: () => number;
  readonly onPoll: (poll: LabPoll) => void;
  readonly log: Log;
}

const BACK_OFF_MS = 1000;

/**
 * Lets runners append, and ask all lanes for it, as many and as often as is set, until the signal aborts. Resolves when
 * all have stopped.
 */
export async function runRunners(parts: RunnersParts, signal: AbortSignal): Promise<void> {
  const { naps } = parts;
  signal.addEventListener('abort', naps.wakeAll, { once: true });
  const numbers = Array.from({ length: BOUNDS.runners.max }, (_, number) => number);
  await Promise.all(numbers.map((number) => runOne(number, parts, signal)));
}

async function runOne(number: number, parts: RunnersParts, signal: AbortSignal): Promise<void> {
  const { settings, naps, log, onPoll } = parts;
  await naps.nap(Math.random() * intervalOf(settings.current)); // so that they do not march in step
  for (let turn = 0; !signal.aborted; turn += 1) {
    if (number >= settings.current.runners) {
      await naps.nap(Infinity);
      continue;
    }
    const start = performance.now();
    try {
      const question = await think(number, turn, parts);
      signal.throwIfAborted();
      const { current } = settings;
      await Promise.all(
        LANES.map(async (lane) => {
          onPoll(await watchRead(parts.databases, lane, question, current, signal));
        }),
      );
    } catch (error) {
      if (signal.aborted) return;
      log.warn('A runner of the lab could not write.', { error });
      await naps.nap(BACK_OFF_MS);
    }
    await rest(start, parts, signal);
  }
}

async function think(
  number: number,
  turn: number,
  { runs, player, nextId }: RunnersParts,
): Promise<Question> {
  const isBogus = player.asksBogusIds && turn % 2 === 0;
  const key = isBogus ? { runId: uuidV7(), snapshotId: uuidV7() } : await runs.append(number);
  // The other half are others, as in a queue's worker that was handed the id.
  return { id: nextId(), key, isBogus, isOwn: Math.random() < 0.5 };
}

/** Until the next turn, which may come earlier or later while settings change. */
async function rest(
  start: number,
  { settings, naps }: RunnersParts,
  signal: AbortSignal,
): Promise<void> {
  const jitter = 0.8 + 0.4 * Math.random();
  for (;;) {
    const leftMs = start + intervalOf(settings.current) * jitter - performance.now();
    if (leftMs <= 0 || signal.aborted) return;
    await naps.nap(leftMs);
  }
}

function intervalOf({ pollsPerSecond }: LabSettings): number {
  return 1000 / pollsPerSecond;
}
