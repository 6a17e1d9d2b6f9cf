import {
  type Counter,
  diag,
  type Histogram,
  type Meter,
  type MeterProvider,
  metrics,
  trace,
} from '@opentelemetry/api';

import type { CatchUpEnd, CatchUpReport, Outcome, RecoveryCause } from './read-report.ts';

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
  catchUpDuration: 'replica_fallback.catch_up.duration',
  positionQueries: 'replica_fallback.position_queries',
  watchQueries: 'replica_fallback.watch_queries',
  recoveryEvent: 'replica_fallback.recovery',
} as const;

const READ = '{read}';
const QUERY = '{query}';

/** Fine where the default retry window (50–200 ms) ends, coarse where only time-outs are. In seconds. */
const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5, 5, 10];

/** What each measurement is told apart by. `operation` is left out when the caller gave none. */
export type ReadAttributes = { readonly outcome: Outcome; readonly operation?: string };

export type RecoveryAttributes = ReadAttributes & {
  readonly attempts: number;
  readonly cause: RecoveryCause;
};

type CatchUpAttributes = {
  readonly waited_for: CatchUpReport['waitedFor'];
  readonly end: CatchUpEnd;
  readonly operation?: string;
};

interface Instruments {
  readonly reads: Counter;
  readonly recoveryDuration: Histogram;
  readonly catchUpDuration: Histogram<CatchUpAttributes>;
  readonly positionQueries: Counter;
  readonly watchQueries: Counter;
  readonly failures: Counter;
  readonly coalesced: Counter;
  /** By its name, which the caller may choose. */
  misses(name: string | undefined): Counter;
}

const instrumentsByOwner = new WeakMap<Meter | MeterProvider, Instruments>();
/** The entry that was used last, because most services have one. */
let last: { readonly owner: Meter | MeterProvider; readonly instruments: Instruments } | undefined;

/**
 * The provider is asked for at every read, because a meter that was fetched before an SDK registered stays a no-op for
 * ever. https://opentelemetry.io/docs/specs/otel/metrics/noop/
 */
export function instrumentsOf(meter: Meter | undefined): Instruments {
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
      description: 'Reads except bypassed ones, by how they ended',
    }),
    recoveryDuration: meter.createHistogram(NAMES.recoveryDuration, {
      unit: 's',
      description: 'Time from the first miss or failure to the end of the read',
      advice: { explicitBucketBoundaries: DURATION_BUCKETS },
    }),
    catchUpDuration: meter.createHistogram(NAMES.catchUpDuration, {
      unit: 's',
      description:
        'How long reads with `catchUp` waited for a replica, by what for and how it ended',
      advice: { explicitBucketBoundaries: DURATION_BUCKETS },
    }),
    positionQueries: meter.createCounter(NAMES.positionQueries, {
      unit: QUERY,
      description: 'Queries that asked a primary for its position',
    }),
    watchQueries: meter.createCounter(NAMES.watchQueries, {
      unit: QUERY,
      description: 'Queries that asked a replica how far it has come',
    }),
    failures: meter.createCounter(NAMES.failures, {
      unit: READ,
      description: 'Reads that a replica could not answer, and another server then did',
    }),
    coalesced: meter.createCounter(NAMES.coalesced, {
      unit: READ,
      description: 'Reads that waited for a primary query which another read had started',
    }),
    misses(name = NAMES.misses) {
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

/** Adds the event of a recovery to the span that is active, if there is one. */
export function addRecoveryEvent(attributes: RecoveryAttributes): void {
  trace.getActiveSpan()?.addEvent(NAMES.recoveryEvent, attributes);
}

/**
 * Runs something that only watches, so that nothing it does can break what it watches. What it throws, or rejects with,
 * goes to OpenTelemetry's own diagnostics, where exporters report their troubles too.
 */
export function observe(observer: () => unknown): void {
  try {
    const result = observer();
    if (result instanceof Promise) result.catch(reportObserverError);
  } catch (error) {
    reportObserverError(error);
  }
}

function reportObserverError(error: unknown): void {
  diagnose('an observer threw', error);
}

/** Tells OpenTelemetry's own diagnostics of what operators may want to mend. */
export function diagnose(trouble: string, error: unknown): void {
  try {
    diag.error(`${SCOPE.name}: ${trouble}`, error);
  } catch {
    // The diagnostics are an observer too, and the last one that could be told.
  }
}
