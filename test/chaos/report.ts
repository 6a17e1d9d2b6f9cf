import { formatTable } from '../../examples/snapshots-service/demo/table.ts';
import type { Violation } from './checks/violation.ts';
import { at } from './clock.ts';
import type { Schedule } from './faults/schedule.ts';
import type { Tally } from './traffic/tally.ts';

const OUTCOMES = ['replica', 'replica_retry', 'primary', 'not_found', 'rejected', 'error'];
const SECONDS_BEFORE = 20;

/** What happened, so far. */
export interface Happened {
  readonly schedule: Schedule;
  readonly tally: Tally;
  /** How many reads reached the primary. */
  readonly spills: number;
  readonly errors: ReadonlyMap<string, number>;
}

/** That the chaos was one: how often each fault struck, how the requests ended, and what they ran into. */
export function describeRun({ schedule, tally, spills, errors }: Happened): string {
  const requests = [...tally.kinds].map(
    ([kind, { requests: all, outcomes, statuses, slowestMs }]) =>
      [kind, all].concat(
        OUTCOMES.map((outcome) => outcomes.get(outcome) ?? ''),
        statuses.get(404) ?? '',
        statuses.get(503) ?? '',
        `${slowestMs.toFixed(0)} ms`,
      ),
  );
  const byCount = [...errors].toSorted(([, one], [, other]) => other - one);
  return [
    table([['fault', 'times'], ...schedule.counts]),
    table([['requests', 'all', ...OUTCOMES, '404', '503', 'slowest'], ...requests]),
    `${spills} of ${tally.reads} reads reached the primary. ${tally.excused} found nothing on a standby in its place.`,
    table([['ran into', 'times'], ...byCount]),
  ].join('\n\n');
}

/** All that there is to know of a violation. */
export function describeViolation(violation: Violation, schedule: Schedule): string {
  const { invariant, expected, seen, history } = violation;
  const faults = schedule.describe(performance.now() - SECONDS_BEFORE * 1_000);
  return [
    `Violated at ${at(performance.now()).trim()} s: ${invariant}.`,
    `Expected ${expected}.`,
    `Seen: ${seen}.`,
    '',
    'What went before, with when it began and how long it took:',
    ...indent(history),
    '',
    `Faults of the last ${SECONDS_BEFORE} seconds:`,
    ...indent(faults),
  ].join('\n');
}

function indent(lines: readonly string[]): string[] {
  return lines.length === 0 ? ['  none'] : lines.map((line) => `  ${line}`);
}

function table(rows: readonly (readonly (string | number)[])[]): string {
  const cells = rows.map((row) => row.map((value) => ({ text: String(value) })));
  return formatTable(cells, (_style, text) => text);
}
