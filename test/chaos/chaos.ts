import { setTimeout as sleep } from 'node:timers/promises';
import type { ProgramContext } from '../../examples/snapshots-service/program.ts';
import { checkHeap, checkIdle, checkOutcome, checkWarned } from './checks/at-the-end.ts';
import { BudgetWatch } from './checks/budget-watch.ts';
import { Violation } from './checks/violation.ts';
import { pause } from './clock.ts';
import { Schedule } from './faults/schedule.ts';
import { Random } from './random.ts';
import { describeRun, describeViolation } from './report.ts';
import { startServers } from './servers.ts';
import { startServiceProcess } from './service/service-process.ts';
import { prepareTraffic } from './traffic/traffic.ts';

const WARM_UP_MS = 5_000;
const BUDGET_CHECKED_EVERY_MS = 250;

/** What a run needs. */
export interface Chaos extends ProgramContext {
  readonly seconds: number;
  readonly seed: number;
  readonly say: (line: string) => void;
}

/**
 * Plays all of it, and prints what came of it.
 *
 * @throws Violation, which it has told of
 */
export async function playChaos({ seconds, seed, say, signal, defer }: Chaos): Promise<void> {
  const random = new Random(seed);
  const budget = new BudgetWatch();
  const servers = await startServers(budget.hear);
  defer(() => servers.stop());
  signal.throwIfAborted();
  say(`Running on ${servers.cluster.description}.`);
  const service = await startServiceProcess({
    primary: servers.toPrimary.connectionString,
    replica: servers.toStandbys.connectionString,
  });
  defer(() => service.kill());
  const traffic = await prepareTraffic(
    { url: service.url, ledToStandbySince: servers.ledToStandbySince },
    random.fork('traffic'),
  );
  const { tally, spareRun } = traffic;
  const schedule = new Schedule({ servers, service, spareRun }, random.fork('faults'));

  const watchBudget = async (end: AbortSignal): Promise<void> => {
    while (!end.aborted) {
      budget.check(tally);
      await pause(BUDGET_CHECKED_EVERY_MS, end);
    }
  };
  /** Lets requests come until the task is over, or something is wrong. */
  const underTraffic = async (task: (end: AbortSignal) => Promise<void>): Promise<void> => {
    const ending = new AbortController();
    const end = AbortSignal.any([signal, ending.signal]);
    const over = task(end).finally(() => ending.abort());
    const all = Promise.all([over, traffic.go(end), watchBudget(end)]);
    try {
      await Promise.race([all, service.trouble]);
    } catch (error) {
      // When the service has ended, that is why nobody gets an answer.
      await Promise.race([service.trouble, sleep(500)]);
      throw error;
    } finally {
      ending.abort();
    }
    signal.throwIfAborted();
  };
  const play = async (): Promise<void> => {
    await underTraffic((end) => pause(WARM_UP_MS, end));
    const heapBefore = await service.readHeapBytes();
    tally.setDeadline();
    const deadline = (tally.deadlineMs / 1_000).toFixed(1);
    say(`Faults strike for ${seconds} seconds. Each answer has ${deadline} s.`);
    const over = AbortSignal.timeout(seconds * 1_000);
    await underTraffic((end) => schedule.go(AbortSignal.any([end, over])));
    await servers.haveCaughtUp();
    checkWarned(tally, service);
    await Promise.race([checkOutcome(traffic, servers.primary), service.trouble]);
    await checkIdle(servers);
    const heapAfter = await checkHeap(heapBefore, () => service.readHeapBytes());
    await service.close();
    say(
      `\nThe heap of the service: ${megabytes(heapBefore)} before, ${megabytes(heapAfter)} after.`,
    );
  };

  try {
    await play();
    say(`No violation in ${seconds} seconds.`);
  } catch (error) {
    if (error instanceof Violation) say(`\n${describeViolation(error, schedule)}`);
    throw error;
  } finally {
    const { errors } = service;
    say(`\n${describeRun({ schedule, tally, spills: budget.spills, errors })}\n`);
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MB`;
}
