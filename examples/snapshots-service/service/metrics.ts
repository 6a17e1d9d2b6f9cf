import type { Meter } from '@opentelemetry/api';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';

/** Counts what a service does, and shows it to Prometheus. */
export interface Metrics {
  readonly meter: Meter;
  /** The state of all instruments, in Prometheus's text format. */
  text(): Promise<string>;
}

/** https://prometheus.io/docs/instrumenting/exposition_formats/#basic-info */
export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * OpenTelemetry's own exporter, without its own HTTP server: `/metrics` is one more route of the
 * service.
 */
export function createMetrics(): Metrics {
  const exporter = new PrometheusExporter({ preventServerStart: true });
  const serializer = new PrometheusSerializer();
  const provider = new MeterProvider({ readers: [exporter] });
  return {
    meter: provider.getMeter('snapshots-service'),
    async text() {
      const { resourceMetrics } = await exporter.collect();
      // Every line has to end, and the last one does not when there is nothing to show yet.
      return `${serializer.serialize(resourceMetrics).trimEnd()}\n`;
    },
  };
}
