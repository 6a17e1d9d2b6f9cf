import { type Attributes, context, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  InMemorySpanExporter,
  SimpleSpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace';

/** What a trace shows of a span that has ended. */
interface SeenSpan {
  readonly name: string;
  /** The name of the span that it is in. */
  readonly within: string | undefined;
  readonly attributes: Attributes;
  readonly hasFailed: boolean;
  readonly events: { readonly name: string; readonly attributes: Attributes | undefined }[];
}

/** Runs something inside a span `request` of OpenTelemetry's real tracing SDK, and gives all spans, as they ended. */
export async function spansOf(run: () => Promise<unknown>): Promise<SeenSpan[]> {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(provider);
  try {
    await inNewSpan('request', run);
  } finally {
    context.disable();
    trace.disable();
  }
  const spans = exporter.getFinishedSpans();
  const names = new Map(spans.map((span) => [span.spanContext().spanId, span.name]));
  return spans.map(({ name, parentSpanContext, attributes, status, events }) => ({
    name,
    within: names.get(parentSpanContext?.spanId ?? ''),
    attributes,
    hasFailed: status.code === SpanStatusCode.ERROR,
    events: events.map((event) => ({ name: event.name, attributes: event.attributes })),
  }));
}

/** As instrumentations do it. */
export async function inNewSpan<T>(name: string, run: () => Promise<T>): Promise<T> {
  return trace.getTracer('a test').startActiveSpan(name, (span) => run().finally(() => span.end()));
}

/** The events that the span `request` got. */
export async function spanEventsOf(run: () => Promise<unknown>): Promise<SeenSpan['events']> {
  const spans = await spansOf(run);
  return spans.flatMap(({ name, events }) => (name === 'request' ? events : []));
}
