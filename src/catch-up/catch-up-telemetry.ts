import { DURATION_BUCKETS, type Meter, observe, perMeter } from '../instruments.ts';
import type { CatchUpReport } from '../read-report.ts';
import {
  CATCH_UP_DURATION,
  POSITION_QUERIES,
  QUERY,
  SECOND,
  WATCH_QUERIES,
} from '../telemetry-names.ts';

/** The options that say how a read is counted. */
interface Telemetry {
  readonly meter: Meter | undefined;
  readonly operation: string | undefined;
}

const instrumentsOf = perMeter((meter) => ({
  duration: meter.createHistogram(CATCH_UP_DURATION, {
    unit: SECOND,
    description: 'How long reads waited for a replica to catch up, by what for and how it ended',
    advice: { explicitBucketBoundaries: DURATION_BUCKETS },
  }),
  positionQueries: meter.createCounter(POSITION_QUERIES, {
    unit: QUERY,
    description: 'Queries that asked a primary for its position',
  }),
  watchQueries: meter.createCounter(WATCH_QUERIES, {
    unit: QUERY,
    description: 'Queries that asked a replica how far it has come',
  }),
}));

/** Counts a query that asks the primary where it is, by the read that needed it first. */
export function countPositionQuery({ meter }: Telemetry): void {
  observe(() => instrumentsOf(meter).positionQueries.add(1));
}

/** Counts a query that asks a replica how far it has come, by one of the reads that wait for it. */
export function countWatchQuery({ meter }: Telemetry): void {
  observe(() => instrumentsOf(meter).watchQueries.add(1));
}

/** Times an informed wait. */
export function recordCatchUp(
  { waitedFor, end, waitMs }: CatchUpReport,
  { meter, operation }: Telemetry,
): void {
  const attributes = { waited_for: waitedFor, end, ...(operation !== undefined && { operation }) };
  observe(() => instrumentsOf(meter).duration.record(waitMs / 1000, attributes));
}
