import type { Answer } from './runner.ts';
import type { Poll } from './lag-demo.ts';

const OUTCOMES = ['replica', 'replica_retry', 'primary'];

/** One poll, in one line. */
export function formatPoll({ lag, answer, withoutFallback }: Poll): string {
  return [
    `lag ${lag}`.padEnd(13),
    answer.outcome.padEnd(13),
    answer.status,
    formatMs(answer.latencyMs).padStart(10),
    `  fallback off: ${withoutFallback.status}`,
  ].join(' ');
}

/**
 * All polls, in a table with a row for each level of lag and a column for each way in which reads
 * ended.
 */
export function formatSummary(polls: readonly Poll[]): string {
  const outcomes = [...new Set([...OUTCOMES, ...polls.map(({ answer }) => answer.outcome)])];
  const header = ['lag', 'polls', ...outcomes, 'p50', 'p99', 'failed', 'failed, fallback off'];
  const levels = [...new Set(polls.map(({ lag }) => lag))];
  return formatTable([header, ...levels.map((lag) => formatLevel(lag, outcomes, polls))]);
}

/** What all polls together say. */
export function formatConclusion(polls: readonly Poll[]): string {
  const failed = polls.filter(({ answer }) => answer.status >= 400).length;
  const without = polls.filter(({ withoutFallback }) => withoutFallback.status >= 400).length;
  return (
    `All ${polls.length} asked about a snapshot that exists: ` +
    `${failed} failed, and ${without} with the fallback off.`
  );
}

function formatLevel(lag: string, outcomes: readonly string[], all: readonly Poll[]): string[] {
  const polls = all.filter((poll) => poll.lag === lag);
  const answers = polls.map(({ answer }) => answer);
  const latencies = answers.map(({ latencyMs }) => latencyMs);
  const count = (outcome: string): number =>
    answers.filter((answer) => answer.outcome === outcome).length;
  return [
    lag,
    String(polls.length),
    ...outcomes.map((outcome) => String(count(outcome))),
    formatMs(percentile(latencies, 50)),
    formatMs(percentile(latencies, 99)),
    formatFailures(answers),
    formatFailures(polls.map(({ withoutFallback }) => withoutFallback)),
  ];
}

/** How many polls failed, and with which status: `20 (404)`. */
function formatFailures(answers: readonly Answer[]): string {
  const statuses = answers.map(({ status }) => status).filter((status) => status >= 400);
  if (statuses.length === 0) return '0';
  return `${statuses.length} (${[...new Set(statuses)].join(', ')})`;
}

/** The smallest value that is not exceeded by `percent` of all: the nearest rank. */
function percentile(values: readonly number[], percent: number): number {
  const rank = Math.ceil((percent / 100) * values.length);
  return values.toSorted((a, b) => a - b)[rank - 1] ?? Number.NaN;
}

function formatMs(milliseconds: number): string {
  return `${milliseconds.toFixed(1)} ms`;
}

function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) => row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  '))
    .join('\n');
}
