import type { Paint, Style } from '../terminal.ts';
import { ENDS, endOf, type Fallback, FALLBACKS, type Level, type PollEnd } from './poll.ts';
import { type Cell, formatTable } from './table.ts';

/** The colours of the ways in which polls end. */
export const STYLES: Readonly<Record<PollEnd, Style>> = {
  replica: 'green',
  replica_retry: 'green',
  primary: 'yellow',
  failed: 'red',
};

/** All polls, in a table with a row for each service at each level of lag. */
export function formatSummary(levels: readonly Level[], paint: Paint): string {
  const header = ['lag', 'fallback', ...ENDS, 'p50 ms', 'p99 ms'];
  const rows = levels.flatMap((level) => FALLBACKS.map((fallback) => formatRow(level, fallback)));
  return formatTable([header.map((text) => ({ text, style: 'dim' as const })), ...rows], paint);
}

function formatRow({ lag, polls }: Level, fallback: Fallback): Cell[] {
  const answers = polls.map((poll) => poll[fallback]);
  const latencies = answers.map(({ latencyMs }) => latencyMs);
  const ends = ENDS.map((end): Cell => {
    const ended = answers.filter((answer) => endOf(fallback, answer) === end);
    if (ended.length === 0) return { text: '0', style: 'dim' };
    const statuses = [...new Set(ended.map(({ status }) => status))].join(', ');
    const count = String(ended.length);
    return { text: end === 'failed' ? `${count} (${statuses})` : count, style: STYLES[end] };
  });
  return [
    { text: fallback === FALLBACKS[0] ? lag : '' },
    { text: fallback },
    ...ends,
    { text: formatMs(percentile(latencies, 50)) },
    { text: formatMs(percentile(latencies, 99)) },
  ];
}

/** What all polls together say. */
export function formatConclusion(levels: readonly Level[], retryMaxMs: number): string {
  const polls = levels.flatMap((level) => level.polls);
  const countFailed = (...fallbacks: readonly Fallback[]): number =>
    polls
      .flatMap((poll) => fallbacks.map((fallback) => endOf(fallback, poll[fallback])))
      .filter((end) => end === 'failed').length;
  const positionQueries = levels.map(({ catchUps }) => catchUps.positionQueries);
  return [
    `All ${polls.length} asked about a snapshot that exists.`,
    `${countFailed('informed', 'blind')} failed, and ${countFailed('off')} with the fallback off.`,
    `Short queries that asked the primary how far it is, at each lag: ${positionQueries.join(', ')}.`,
    ...levels
      .filter(({ catchUps }) => catchUps.hopeless > 0)
      .map((level) => formatHopeless(level, retryMaxMs)),
  ].join('\n');
}

function formatHopeless({ lag, catchUps: { hopeless } }: Level, retryMaxMs: number): string {
  return (
    `Lag ${lag}: ${hopeless} informed reads did not wait for the whole ${retryMaxMs} ms.\n` +
    'The standby was clearly too far behind, so they asked the primary at once.'
  );
}

/** The smallest value that is not exceeded by `percent` of all: the nearest rank. */
function percentile(values: readonly number[], percent: number): number {
  const rank = Math.ceil((percent / 100) * values.length);
  return values.toSorted((a, b) => a - b)[rank - 1] ?? Number.NaN;
}

function formatMs(milliseconds: number): string {
  return milliseconds.toFixed(1);
}
