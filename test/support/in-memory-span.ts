import { type Attributes, context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  InMemorySpanExporter,
  SimpleSpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace';

interface SpanEvent {
  readonly name: string;
  readonly attributes: Attributes | undefined;
}

/** Runs something inside a span of OpenTelemetry's real tracing SDK, and gives the events that the span got. */
export async function spanEventsOf(run: () => Promise<unknown>): Promise<SpanEvent[]> {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  try {
    const span = provider.getTracer('a test').startSpan('request');
    await context.with(trace.setSpan(context.active(), span), run);
    span.end();
    const events = exporter.getFinishedSpans().flatMap((finished) => finished.events);
    return events.map(({ name, attributes }) => ({ name, attributes }));
  } finally {
    context.disable();
  }
}
