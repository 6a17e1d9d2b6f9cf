import type { Replica } from 'kysely-replica-fallback/testing';
import type { Answer, Runner } from './runner.ts';

/** One question, as two services answered it at the same moment. */
export interface Poll {
  /** How far the standby was behind. */
  readonly lag: string;
  readonly answer: Answer;
  readonly withoutFallback: Answer;
}

/** Who takes part in the demonstration. */
export interface LagDemo {
  readonly runner: Runner;
  /** The same runner, at a service that has no fallback. */
  readonly runnerWithoutFallback: Runner;
  /** The standby, when its lag may be changed. */
  readonly standby: Replica | undefined;
  /** How long the service waits at most before it asks the standby once more. */
  readonly retryMaxMs: number;
  /** Hears of each poll as it happens. */
  readonly onPoll: (poll: Poll) => void;
}

const POLLS_PER_LEVEL = 20;

/**
 * Lets a runner poll while the standby lags more and more, and resolves with all that it
 * experienced.
 */
export async function runLagDemo(demo: LagDemo): Promise<Poll[]> {
  const { standby, retryMaxMs } = demo;
  if (standby === undefined) return pollAtOneLevel(demo, 'as it is');

  const polls: Poll[] = [];
  for (const delayMs of [0, 30, Math.max(400, 2 * retryMaxMs)]) {
    await standby.setApplyDelay(delayMs);
    // Even on one machine the standby is a fraction of a millisecond behind, which "none" must not
    // mean.
    polls.push(
      ...(delayMs === 0
        ? await pollAtOneLevel(demo, 'none', () => standby.waitForReplay())
        : await pollAtOneLevel(demo, `${delayMs} ms`)),
    );
  }
  await standby.setApplyDelay(0);
  return polls;
}

/** The runner adds a snapshot, and at once asks what came after it. */
async function pollAtOneLevel(
  { runner, runnerWithoutFallback, onPoll }: LagDemo,
  lag: string,
  beforePoll: () => Promise<void> = async () => {},
): Promise<Poll[]> {
  const polls: Poll[] = [];
  const { runId } = await runner.createRun();
  while (polls.length < POLLS_PER_LEVEL) {
    const key = await runner.append(runId);
    await beforePoll();
    const [answer, withoutFallback] = await Promise.all([
      runner.poll(key),
      runnerWithoutFallback.poll(key),
    ]);
    const poll = { lag, answer, withoutFallback };
    onPoll(poll);
    polls.push(poll);
  }
  return polls;
}
