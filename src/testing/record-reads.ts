import type { Outcome, ReadReport } from '../read-report.ts';

/** What a test knows of the reads that it has listened to. */
export interface RecordedReads {
  /** For the option of the same name. */
  readonly onOutcome: (report: ReadReport) => void;
  /** The report of each read that has ended, oldest first. A bypass has none. */
  readonly reports: readonly ReadReport[];
  /** How each of them ended. */
  readonly outcomes: readonly Outcome[];
}

/**
 * Listens to reads, for tests that say how a read has to end, in any test framework.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict';
 * import { withReplicaFallback } from 'kysely-replica-fallback';
 * import { recordReads } from 'kysely-replica-fallback/testing';
 *
 * const { onOutcome, outcomes } = recordReads();
 * await withReplicaFallback(async (client) => client.get('o1'), {
 *   primary: new Map([['o1', 'paid']]),
 *   replica: new Map<string, string>(),
 *   onOutcome,
 * });
 * assert.deepEqual(outcomes, ['primary']);
 * ```
 */
export function recordReads(): RecordedReads {
  const reports: ReadReport[] = [];
  const outcomes: Outcome[] = [];
  return {
    reports,
    outcomes,
    onOutcome(report) {
      reports.push(report);
      outcomes.push(report.outcome);
    },
  };
}
