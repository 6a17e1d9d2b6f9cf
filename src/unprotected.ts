import { describeAnswer, mayBeARow } from './answers.ts';
import { canTell } from './classifier.ts';
import { warn } from './instruments.ts';
import type { ReplicaFallbackOptions } from './options.ts';

/** The operations that were warned of, `undefined` for all without a name. */
const noticed = new Set<string | undefined>();
const MAX_OPERATIONS = 1000;

/**
 * Tells OpenTelemetry's `diag`, once for each operation, of an answer that `isMiss` could never take for a miss: whatever
 * the replica lacks, the read is a hit.
 */
export function noticeUnprotected(
  answer: unknown,
  { isMiss, operation }: Pick<ReplicaFallbackOptions<unknown, never>, 'isMiss' | 'operation'>,
): void {
  const isProtected = isMiss === undefined ? mayBeARow(answer) : canTell(isMiss, answer);
  if (isProtected || noticed.has(operation) || noticed.size >= MAX_OPERATIONS) return;
  noticed.add(operation);
  const which = operation === undefined ? 'without an `operation`' : `\`${operation}\``;
  warn(
    `The read ${which} is not protected from lag: its answer is ${describeAnswer(answer)}, and ` +
      `${isMiss === undefined ? 'the default `isMiss`' : 'its `isMiss`'} never takes one for a miss. ` +
      'Say by `isMiss` what is a miss, or by `after` how new the answer has to be. If any answer will do: `isMiss: () => false`.',
  );
}
