import {
  type Attributes,
  type Counter,
  diag,
  type Histogram,
  type Meter,
  type MeterProvider,
  metrics,
  trace,
} from '@opentelemetry/api';
import type { ReplicaFallbackOptions } from './options.ts';
import type { Read } from './read.ts';
import type { Outcome, ReadReport } from './read-report.ts';
import type { RetryPolicy } from './retry-policy.ts';

export type { Meter };

/** The name and version under which the instruments are registered. */
const SCOPE = { name: 'kysely-replica-fallback', version: '0.1.0' } as const;

/** Every name, unit and attribute key that leaves this package. */
const NAMES = {
  misses: 'replica_fallback.replica_miss',
  failures: 'replica_fallback.replica_failure',
  coalesced: 'replica_fallback.coalesced',
  reads: 'replica_fallback.reads',
  recoveryDuration: 'replica_fallback.recovery.duration',
  recoveryEvent: 'replica_fallback.recovery',
} as const;

const READ = '{read}';

/** Fine where the default retry window (50–200 ms) ends, coarse where only time-outs are. In seconds. */
const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5, 5, 10];

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
  try {
    instrumentsOf(meter).reads.add(1, attributesOf('replica', operation));
  } catch (error) {
    reportObserverError(error);
  }
  if (onOutcome === undefined) return;
  const durationMs = performance.now() - startedAt;
  observe(() => onOutcome({ operation, outcome: 'replica', attempts: 1, durationMs }));
}

/** Counts, times, logs and observes a read that was not a hit. Never throws. */
export function reportRead(
  read: Read<unknown>,
  options: Telemetry,
  policy: RetryPolicy | undefined,
): void {
  const { logger, onOutcome } = options;
  const report = read.report(options.operation);
  observe(() => countRead(read, report, options));
  if (!read.attempt.ok) observe(() => logger?.error('A read failed.', report));
  if (report.outcome === 'primary') {
    observe(() => logger?.warn(read.failure === undefined ? MISSED : FAILED, report));
  }
  observe(() => policy?.settle?.(report));
  observe(() => onOutcome?.(report));
}

const MISSED = 'The primary served a read that the replica missed.';
const FAILED = 'The primary served a read that the replica could not answer.';

function countRead(read: Read<unknown>, report: ReadReport, options: Telemetry): void {
  const { outcome, operation, attempts } = report;
  const attributes = attributesOf(outcome, operation);
  const instruments = instrumentsOf(options.meter);
  instruments.reads.add(1, attributes);
  if (read.recoveringSince === undefined) return;

  const recoveryMs = performance.now() - read.recoveringSince;
  instruments.recoveryDuration.record(recoveryMs / 1000, attributes);
  if (read.isCoalesced) instruments.coalesced.add(1, attributes);
  if (outcome === 'replica_retry' || outcome === 'primary') {
    const { missCounter = NAMES.misses } = options;
    const counter =
      read.failure === undefined ? instruments.misses(missCounter) : instruments.failures;
    counter.add(1, attributes);
  }
  trace.getActiveSpan()?.addEvent(NAMES.recoveryEvent, {
    ...attributes,
    attempts,
    cause: read.failure === undefined ? 'miss' : 'failure',
  });
}

function attributesOf(outcome: Outcome, operation: string | undefined): Attributes {
  return operation === undefined ? { outcome } : { outcome, operation };
}

interface Instruments {
  readonly reads: Counter;
  readonly recoveryDuration: Histogram;
  readonly failures: Counter;
  readonly coalesced: Counter;
  /** By its name, which the caller chooses. */
  misses(name: string): Counter;
}

const instrumentsByOwner = new WeakMap<Meter | MeterProvider, Instruments>();
/** The entry that was used last, because most services have one. */
let last: { readonly owner: Meter | MeterProvider; readonly instruments: Instruments } | undefined;

/**
 * The provider is asked for at every read, because a meter that was fetched before an SDK registered stays a no-op for
 * ever. https://opentelemetry.io/docs/specs/otel/metrics/noop/
 */
function instrumentsOf(meter: Meter | undefined): Instruments {
  const owner = meter ?? metrics.getMeterProvider();
  if (last?.owner === owner) return last.instruments;
  let instruments = instrumentsByOwner.get(owner);
  if (instruments === undefined) {
    instruments = createInstruments(meter ?? metrics.getMeter(SCOPE.name, SCOPE.version));
    instrumentsByOwner.set(owner, instruments);
  }
  last = { owner, instruments };
  return instruments;
}

function createInstruments(meter: Meter): Instruments {
  const missesByName = new Map<string, Counter>();
  return {
    reads: meter.createCounter(NAMES.reads, {
      unit: READ,
      description: 'Reads that climbed the ladder, by how they ended',
    }),
    recoveryDuration: meter.createHistogram(NAMES.recoveryDuration, {
      unit: 's',
      description: 'Time from the first miss or failure to the end of the read',
      advice: { explicitBucketBoundaries: DURATION_BUCKETS },
    }),
    failures: meter.createCounter(NAMES.failures, {
      unit: READ,
      description: 'Reads that the replica failed and that were then served, by who served them',
    }),
    coalesced: meter.createCounter(NAMES.coalesced, {
      unit: READ,
      description: 'Reads that waited for a primary query which another read had started',
    }),
    misses(name) {
      let counter = missesByName.get(name);
      if (counter === undefined) {
        counter = meter.createCounter(name, {
          unit: READ,
          description:
            'Reads that the replica missed and that were then served, by who served them',
        });
        missesByName.set(name, counter);
      }
      return counter;
    },
  };
}

/**
 * Runs something that watches a read, so that nothing it does can break the read. What it throws, or rejects with,
 * goes to OpenTelemetry's own diagnostics, where exporters report their troubles too.
 */
function observe(observer: () => unknown): void {
  try {
    const result = observer();
    if (result instanceof Promise) result.catch(reportObserverError);
  } catch (error) {
    reportObserverError(error);
  }
}

function reportObserverError(error: unknown): void {
  try {
    diag.error(`${SCOPE.name}: an observer of a read threw`, error);
  } catch {
    // The diagnostics are an observer too, and the last one that could be told.
  }
}
