import { elapsedMs } from './elapsed.ts';
import { addRecoveryEvent, instrumentsOf, observe, type ReadAttributes } from './instruments.ts';
import type { ReplicaFallbackOptions } from './options.ts';
import type { Outcome, ReadReport } from './read-report.ts';

/** The options that say how a read is counted, logged and observed. */
type Telemetry = Pick<
  ReplicaFallbackOptions<unknown, never>,
  'operation' | 'meter' | 'missCounter' | 'logger' | 'onOutcome' | 'retryMs'
>;

/** Whether anybody will hear a report, and so whether the clock needs to be read when a read starts. */
export function isWatched({ logger, onOutcome, retryMs }: Telemetry): boolean {
  return (
    logger !== undefined ||
    onOutcome !== undefined ||
    (typeof retryMs === 'object' && 'settle' in retryMs)
  );
}

/** Counts and observes a read that the replica served at once. Never throws. */
export function reportHit(startedAt: number, options: Telemetry): void {
  const { operation, meter, onOutcome } = options;
  observe(() => instrumentsOf(meter).reads.add(1, attributesOf('replica', operation)));
  if (onOutcome === undefined) return;
  const durationMs = elapsedMs(startedAt, performance.now());
  observe(() => onOutcome({ operation, outcome: 'replica', attempts: 1, durationMs }));
}

/** Counts, times, logs and observes a read that was not a hit. Never throws. */
export function reportRead(report: ReadReport, options: Telemetry, warning?: string): void {
  const { logger, onOutcome } = options;
  const hasFailed = (report.recovery?.failures ?? 0) > 0;
  observe(() => countRead(report, options));
  if (warning !== undefined) observe(() => logger?.warn(warning, report));
  if ('error' in report) observe(() => logger?.error('A read failed.', report));
  if (report.outcome === 'primary') {
    observe(() => logger?.warn(hasFailed ? FAILED : MISSED, report));
  }
  observe(() => onOutcome?.(report));
}

const MISSED = 'The primary served a read that the replica missed.';
const FAILED = 'The primary served a read that the replica could not answer.';

function countRead(report: ReadReport, { meter, missCounter }: Telemetry): void {
  const { outcome, operation, attempts, recovery } = report;
  const attributes = attributesOf(outcome, operation);
  const instruments = instrumentsOf(meter);
  instruments.reads.add(1, attributes);
  if (recovery === undefined) return;

  const { cause, misses, failures, durationMs } = recovery;
  instruments.recoveryDuration.record(durationMs / 1000, attributes);
  if (report.coalesced) instruments.coalesced.add(1, attributes);
  if (outcome === 'replica_retry' || outcome === 'primary') {
    if (misses > 0) instruments.misses(missCounter).add(1, attributes);
    if (failures > 0) instruments.failures.add(1, attributes);
  }
  addRecoveryEvent({ ...attributes, attempts, cause });
}

function attributesOf(outcome: Outcome, operation: string | undefined): ReadAttributes {
  return operation === undefined ? { outcome } : { outcome, operation };
}
