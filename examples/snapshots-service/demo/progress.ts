import type { Paint } from '../terminal.ts';
import { endOf, type Fallback, FALLBACKS, type Poll } from './poll.ts';
import { formatMs, STYLES } from './summary.ts';

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
  return [`lag ${lag}`.padEnd(11), `${polls.length} of ${total}`.padStart(8), ...answers].join(
    '  ',
  );
}

function formatAnswer(fallback: Fallback, { [fallback]: answer }: Poll, paint: Paint): string {
  const end = endOf(fallback, answer);
  if (end === 'failed') return `${fallback} ${paint(STYLES[end], String(answer.status))}`;
  const latency = fallback === 'off' ? '' : ` ${formatMs(answer.latencyMs)} ms`.padStart(10);
  return `${fallback} ${paint(STYLES[end], end.padEnd(13))}${latency}`;
}
