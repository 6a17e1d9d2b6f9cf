import {
  context,
  type Counter,
  diag,
  type Histogram,
  type Meter,
  type MeterProvider,
  metrics,
  type Span,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import type { Outcome, RecoveryCause } from './read-report.ts';
import {
  COALESCED,
  FAILURES,
  MISSES,
  READ,
  READS,
  RECOVERY_DURATION,
  RECOVERY_EVENT,
  SCOPE,
  SECOND,
  SPAN_PREFIX,
} from './telemetry-names.ts';

export type { Meter };

/** Fine where the default retry window (50–200 ms) ends, coarse where only time-outs are. In seconds. */
export const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5, 5, 10];

/** What each measurement is told apart by. `operation` is left out when the caller gave none. */
export type ReadAttributes = { readonly outcome: Outcome; readonly operation?: string };

export type RecoveryAttributes = ReadAttributes & {
  readonly attempts: number;
  readonly cause: RecoveryCause;
};

interface Instruments {
  readonly reads: Counter;
  readonly recoveryDuration: Histogram;
  readonly failures: Counter;
  readonly coalesced: Counter;
  /** By its name, which the caller may choose. */
  misses(name: string | undefined): Counter;
}

/**
 * Creates instruments once for each meter. The provider is asked for at every read, because a meter that was fetched before
 * an SDK registered stays a no-op for ever. https://opentelemetry.io/docs/specs/otel/metrics/noop/
 */
export function perMeter<Kept>(create: (meter: Meter) => Kept): (meter: Meter | undefined) => Kept {
  const keptByOwner = new WeakMap<Meter | MeterProvider, Kept>();
  /** The entry that was used last, because most services have one. */
  let last: { readonly owner: Meter | MeterProvider; readonly kept: Kept } | undefined;
  return (meter) => {
    const owner = meter ?? metrics.getMeterProvider();
    if (last?.owner === owner) return last.kept;
    let kept = keptByOwner.get(owner);
    if (kept === undefined) {
      kept = create(meter ?? metrics.getMeter(SCOPE.name, SCOPE.version));
      keptByOwner.set(owner, kept);
    }
    last = { owner, kept };
    return kept;
  };
}

export const instrumentsOf: (meter: Meter | undefined) => Instruments = perMeter(createInstruments);

function createInstruments(meter: Meter): Instruments {
  const missesByName = new Map<string, Counter>();
  return {
    reads: meter.createCounter(READS, {
      unit: READ,
      description: 'Reads that were not bypassed',
    }),
    recoveryDuration: meter.createHistogram(RECOVERY_DURATION, {
      unit: SECOND,
      description: 'Time from the first miss or failure to the end',
      advice: { explicitBucketBoundaries: DURATION_BUCKETS },
    }),
    failures: meter.createCounter(FAILURES, {
      unit: READ,
      description: 'Reads that a replica could not answer',
    }),
    coalesced: meter.createCounter(COALESCED, {
      unit: READ,
      description: 'Reads that shared a query on the primary',
    }),
    misses(name = MISSES) {
      let counter = missesByName.get(name);
      if (counter === undefined) {
        counter = meter.createCounter(name, {
          unit: READ,
          description: 'Reads that a replica missed',
        });
        missesByName.set(name, counter);
      }
      return counter;
    },
  };
}

/** Adds the event of a recovery to the span that is active, if there is one. */
export function addRecoveryEvent(attributes: RecoveryAttributes): void {
  trace.getActiveSpan()?.addEvent(RECOVERY_EVENT, attributes);
}

/** Runs an attempt of a recovery in a span of its own, so that a trace tells the queries of a read apart. */
export async function inSpan<Verdict extends { readonly kind: string }>(
  source: string,
  operation: string | undefined,
  attempt: () => Promise<Verdict>,
): Promise<Verdict> {
  const span = startSpan(SPAN_PREFIX + source, operation);
  if (span === undefined) return attempt();
  let started: Promise<Verdict> | undefined;
  observe(() => {
    context.with(trace.setSpan(context.active(), span), () => {
      started = attempt();
    });
  });
  const verdict = await (started ?? attempt());
  observe(() => {
    const { kind } = verdict;
    span.setAttribute('verdict', kind);
    if (kind === 'failure' || kind === 'error') span.setStatus({ code: SpanStatusCode.ERROR });
  });
  observe(() => span.end());
  return verdict;
}

/** `undefined` when nobody will see it. */
function startSpan(name: string, operation: string | undefined): Span | undefined {
  try {
    const tracer = trace.getTracer(SCOPE.name, SCOPE.version);
    const span = tracer.startSpan(name, { attributes: { operation } });
    return span.isRecording() ? span : undefined;
  } catch (error) {
    reportObserverError(error);
    return undefined;
  }
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

/** The same of what developers may want to mend. */
export function warn(trouble: string): void {
  try {
    diag.warn(`${SCOPE.name}: ${trouble}`);
  } catch {
    // As above.
  }
}
