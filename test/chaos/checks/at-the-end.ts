import { setTimeout as sleep } from 'node:timers/promises';
import type { Server } from '../server.ts';
import type { Servers } from '../servers.ts';
import type { ServiceProcess } from '../service/service-process.ts';
import type { Client } from '../traffic/client.ts';
import type { Run } from '../traffic/run.ts';
import type { Runner } from '../traffic/runner.ts';
import type { SessionUser } from '../traffic/session-user.ts';
import type { Tally } from '../traffic/tally.ts';
import type { Traffic } from '../traffic/traffic.ts';
import { Violation } from './violation.ts';

/** How long the service may take to be as before, from when the last fault is over. */
const RECOVERS_WITHIN_MS = 60_000;

/**
 * Asks until everybody has been told everything, and compares that with what is on the primary.
 *
 * @throws Violation when it does not come to that, or is not the same
 */
export async function checkOutcome({ runs, runners, sessions }: Traffic, primary: Server) {
  const rows = await primary.run(
    'select id, run_id, description from execution_snapshot order by run_id, created_at, id',
  );
  const truth = new Map(runs.map((run) => [run, rows.filter((row) => row['run_id'] === run.id)]));
  const idsOf = (run: Run) => (truth.get(run) ?? []).map(({ id }) => String(id));
  for (const run of runs) checkAcknowledged(run, idsOf(run));
  await Promise.all([
    ...runners.map((runner) => {
      const last = idsOf(runner.run).at(-1)!; // each run has its first one
      return recovers(runner.client, () => runner.hasGot(last));
    }),
    ...sessions.map((session) => recovers(session.client, () => session.read())),
  ]);
  for (const runner of runners) checkGot(runner, idsOf(runner.run));
  for (const session of sessions) checkNotes(session, rows);
}

/** @throws Violation when rows were missing because a standby answered in place of the primary, and nobody was warned */
export function checkWarned(
  { excused }: Pick<Tally, 'excused'>,
  { warnings }: Pick<ServiceProcess, 'warnings'>,
) {
  if (excused === 0 || warnings > 0) return;
  const expected = `a warning that rows may be missing, because ${excused} were`;
  throw new Violation('what may be wrong is told', expected, 'none');
}

async function recovers(client: Client, step: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + RECOVERS_WITHIN_MS;
  while (!(await step())) {
    if (performance.now() > deadline) {
      const expected = `to be told everything within ${RECOVERS_WITHIN_MS} ms after the last fault`;
      throw client.violation('the service recovers', expected, 'less');
    }
    await sleep(100);
  }
}

function checkAcknowledged({ name, acknowledged }: Run, ids: readonly string[]): void {
  const present = new Set(ids);
  const lost = acknowledged.find((id) => !present.has(id));
  if (lost !== undefined) {
    const expected = `snapshot ${lost} of ${name} on the primary, which has acknowledged it`;
    throw new Violation('nothing committed is lost', expected, 'none');
  }
  if (ids.some((id, place) => place > 0 && id <= ids[place - 1]!)) {
    throw new Error(`The ids of ${name} do not sort by creation, so the checks mean nothing.`);
  }
}

/** Also those that nobody has acknowledged, because their answer was lost. */
function checkGot({ client, got }: Runner, ids: readonly string[]): void {
  const expected = ids.slice(ids.indexOf(got[0]!));
  const place = expected.findIndex((id, index) => id !== got[index]);
  if (place === -1 && got.length === expected.length) return;
  throw client.violation(
    'none skipped or repeated',
    `${expected[place]} after ${got[place - 1]}, as on the primary`,
    `${got[place]}`,
  );
}

function checkNotes({ client, floors }: SessionUser, rows: readonly Record<string, unknown>[]) {
  for (const [id, { number, because }] of floors) {
    const found = rows.find((row) => row['id'] === id)?.['description'];
    if (Number(found) >= number) continue;
    const expected = `${number} or more of note ${id} on the primary, which it ${because}`;
    throw client.violation('nothing committed is lost', expected, String(found));
  }
}

/**
 * Waits until no connection of the service does anything.
 *
 * @throws Violation when one still does
 */
export async function checkIdle({ all }: Servers): Promise<void> {
  const busy = `
    select state, wait_event_type, query from pg_stat_activity
    where application_name = 'snapshots-service' and state <> 'idle'`;
  const deadline = performance.now() + RECOVERS_WITHIN_MS;
  for (;;) {
    const rows = (await Promise.all(all.map((server) => server.run(busy)))).flat();
    if (rows.length === 0) return;
    if (performance.now() > deadline) {
      const expected = 'all connections of the service to be idle';
      throw new Violation('nothing is left behind', expected, JSON.stringify(rows));
    }
    await sleep(100);
  }
}

/**
 * Waits until the service needs hardly more memory than before.
 *
 * @throws Violation when it does not come to that
 */
export async function checkHeap(before: number, read: () => Promise<number>): Promise<number> {
  const deadline = performance.now() + RECOVERS_WITHIN_MS;
  for (;;) {
    const after = await read();
    if (after <= before * 1.1) return after;
    if (performance.now() > deadline) {
      throw new Violation(
        'nothing is left behind',
        `a heap of at most 110 % of the ${before} bytes before the faults`,
        `${after}`,
      );
    }
    await sleep(1_000);
  }
}
