import { type Attributes, type Meter, metrics } from '@opentelemetry/api';
import {
  DataPointType,
  type Histogram,
  MeterProvider,
  MetricReader,
} from '@opentelemetry/sdk-metrics';

class PullReader extends MetricReader {
  protected override async onShutdown(): Promise<void> {}
  protected override async onForceFlush(): Promise<void> {}
}

interface Collected {
  readonly unit: string;
  /** The attributes of each point, with a counter's sum or the number of a histogram's recordings. */
  readonly points: readonly (readonly [Attributes, number])[];
}

export interface InMemoryMetrics {
  readonly provider: MeterProvider;
  readonly meter: Meter;
  /** What has been counted so far, by instrument. */
  readonly collect: () => Promise<Record<string, Collected>>;
  /** What the instruments that have counted so far say of themselves. */
  readonly descriptions: () => Promise<Record<string, string>>;
  /** What a histogram has recorded so far. */
  readonly recordings: (name: string) => Promise<Histogram[]>;
  /** The names and versions under which instruments have counted so far. */
  readonly scopes: () => Promise<{ name: string; version: string | undefined }[]>;
}

/** OpenTelemetry's real metrics SDK, asked for what it has instead of exporting it. */
export function inMemoryMetrics(): InMemoryMetrics {
  const reader = new PullReader();
  const provider = new MeterProvider({ readers: [reader] });
  const scopeMetrics = async () => (await reader.collect()).resourceMetrics.scopeMetrics;
  const instruments = async () => (await scopeMetrics()).flatMap((scope) => scope.metrics);
  return {
    provider,
    meter: provider.getMeter('a test'),
    async collect() {
      const collected = (await instruments()).map(({ descriptor, dataPoints }) => {
        const points = dataPoints.map((point) => [point.attributes, countOf(point.value)] as const);
        return [descriptor.name, { unit: descriptor.unit, points }] as const;
      });
      return Object.fromEntries(collected);
    },
    async descriptions() {
      const descriptors = (await instruments()).map(({ descriptor }) => descriptor);
      return Object.fromEntries(
        descriptors.map(({ name, unit, description }) => [name, `${description}, in ${unit}`]),
      );
    },
    async recordings(name) {
      const instrument = (await instruments()).find(({ descriptor }) => descriptor.name === name);
      if (instrument?.dataPointType !== DataPointType.HISTOGRAM) return [];
      return instrument.dataPoints.map((point) => point.value);
    },
    async scopes() {
      return (await scopeMetrics()).map(({ scope: { name, version } }) => ({ name, version }));
    },
  };
}

/** The same, as the global provider, in the place of the one before. */
export function registerInMemoryMetrics(): InMemoryMetrics {
  const registered = inMemoryMetrics();
  metrics.disable();
  metrics.setGlobalMeterProvider(registered.provider);
  return registered;
}

function countOf(value: number | { readonly count: number }): number {
  return typeof value === 'number' ? value : value.count;
}
