import { invalidOption } from './errors.ts';

/** What the option `enabled` has to be. */
export const A_SWITCH = 'a boolean, or a function that returns one';

/** Asks the operators' switch. An answer that is no boolean is refused: read as `true` or `false`, it would not switch. */
export function isEnabled(enabled: boolean | (() => boolean) | undefined): boolean {
  if (typeof enabled !== 'function') return enabled ?? true;
  const answer = enabled();
  if (typeof answer !== 'boolean') throw invalidOption('enabled', A_SWITCH, answer);
  return answer;
}
