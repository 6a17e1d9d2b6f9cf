import type { Paint } from '../terminal.ts';
import { endOf, type Fallback, FALLBACKS, type Poll } from './poll.ts';
import { STYLES } from './summary.ts';

/** How far one level of lag has come, in one line: how many polls there were, and how the last one ended. */
export function formatProgress(
  lag: string,
  polls: readonly Poll[],
  total: number,
  paint: Paint,
): string {
  const last = polls.at(-1);
  if (last === undefined) return `lag ${lag}: ${total} polls of each service`;
  const answers = FALLBACKS.map((fallback) => formatAnswer(fallback, last, paint));
  const count = `${polls.length}/${total}`;
  return [`lag ${lag}`.padEnd(10), count.padStart(5), ...answers].join('  ');
}

function formatAnswer(fallback: Fallback, { [fallback]: answer }: Poll, paint: Paint): string {
  const end = endOf(fallback, answer);
  return `${fallback} ${paint(STYLES[end], end === 'failed' ? String(answer.status) : end)}`;
}
