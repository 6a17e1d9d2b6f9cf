import type { Replica } from 'kysely-replica-fallback/testing';
import type { Terminal } from '../terminal.ts';
import { countsSince, readCatchUpCounts } from './catch-up-counts.ts';
import type { Fallback, Level, Poll } from './poll.ts';
import { formatProgress } from './progress.ts';
import type { Runner } from './runner.ts';
import { formatConclusion, formatSummary } from './summary.ts';

/** Who takes part in the demonstration. */
export interface LagDemo {
  /** The same runner, at each of the services. */
  readonly runners: Readonly<Record<Fallback, Runner>>;
  /** The standby, when its lag may be changed. */
  readonly standby: Replica | undefined;
  /** How long the services wait at most for the standby. */
  readonly retryMaxMs: number;
  readonly terminal: Terminal;
}

const POLLS_PER_LEVEL = 20;

const INTRODUCTION = `
A runner adds a snapshot to its run, and at once asks three services what came
after it. If the standby does not have it yet, they differ:

  informed  waits just until the standby has caught up
  blind     waits for a random time
  off       has no fallback, and answers 404
`;

/** Lets a runner poll while the standby lags more and more, and prints what came of it. */
export async function runLagDemo(demo: LagDemo): Promise<void> {
  const { standby, retryMaxMs, terminal } = demo;
  terminal.say(INTRODUCTION);
  if (standby === undefined) terminal.say('The lag of these servers is left as it is.');
  const levels = await pollAtAllLevels(demo);
  terminal.say(`\n${formatSummary(levels, terminal.paint)}`);
  terminal.say(`\n${formatConclusion(levels, retryMaxMs)}`);
}

async function pollAtAllLevels(demo: LagDemo): Promise<Level[]> {
  const { standby, retryMaxMs } = demo;
  if (standby === undefined) return [await pollAtOneLevel(demo, 'as it is')];

  const levels: Level[] = [];
  for (const delayMs of [0, 30, Math.max(400, 2 * retryMaxMs)]) {
    await standby.setApplyDelay(delayMs);
    // Even on one machine the standby is a fraction of a millisecond behind, which "none" must not
    // mean.
    levels.push(
      delayMs === 0
        ? await pollAtOneLevel(demo, 'none', () => standby.waitForReplay())
        : await pollAtOneLevel(demo, `${delayMs} ms`),
    );
  }
  await standby.setApplyDelay(0);
  return levels;
}

/** The runner adds a snapshot, and at once asks what came after it. */
async function pollAtOneLevel(
  { runners: { informed, blind, off }, terminal: { liveLine, paint } }: LagDemo,
  lag: string,
  beforePoll: () => Promise<void> = async () => {},
): Promise<Level> {
  const polls: Poll[] = [];
  const countCatchUps = async () => readCatchUpCounts(await informed.readMetrics());
  const before = await countCatchUps();
  const { runId } = await informed.createRun();
  const line = liveLine();
  try {
    line.show(formatProgress(lag, polls, POLLS_PER_LEVEL, paint));
    while (polls.length < POLLS_PER_LEVEL) {
      const key = await informed.append(runId);
      await beforePoll();
      const answers = await Promise.all([informed.poll(key), blind.poll(key), off.poll(key)]);
      polls.push({ informed: answers[0], blind: answers[1], off: answers[2] });
      line.show(formatProgress(lag, polls, POLLS_PER_LEVEL, paint));
    }
  } finally {
    line.end();
  }
  return { lag, polls, catchUps: countsSince(before, await countCatchUps()) };
}
