import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { ConstantBackoff, fallback, handleAll, retry, wrap } from 'cockatiel';
import {
  createPrimaryBudget,
  createReplicaFallback,
  withReplicaFallback,
} from 'kysely-replica-fallback';
import pRetry from 'p-retry';
import { compare } from './compare.ts';

const row = { id: 1 };
const query = async () => row;
const clients = { primary: {}, replica: {}, operation: 'bench' };
const ROUND = { calls: 20_000, rounds: 101 };

/** What a hit costs over the bare call of a query that costs nothing: beside others, and with the options that add to it. */
export async function benchHit(): Promise<void> {
  await benchBesideOthers();
  await benchOptions();
}

async function benchBesideOthers(): Promise<void> {
  const read = createReplicaFallback(clients);
  const meter = new MeterProvider({ readers: [new IdleReader()] }).getMeter('bench');
  const metered = createReplicaFallback({ ...clients, meter });
  const logged = createReplicaFallback({ ...clients, logger: console });
  const policy = wrap(
    fallback(handleAll, () => query()),
    retry(handleAll, { maxAttempts: 1, backoff: new ConstantBackoff(50) }),
  );
  const { primary, replica, operation } = clients;
  const medians = await compare(
    {
      bare: query,
      'withReplicaFallback()': () => withReplicaFallback(query, { primary, replica, operation }),
      'createReplicaFallback()': () => read(query),
      'with a logger': () => logged(query),
      'with an OpenTelemetry SDK': () => metered(query),
      'p-retry': () => pRetry(query, { retries: 1, minTimeout: 50 }),
      'cockatiel fallback(retry)': () => policy.execute(query),
    },
    ROUND,
  );

  console.log('\nA hit: nanoseconds over the bare call, and as a share of what others cost\n');
  const over = (name: keyof typeof medians) => medians[name] - medians.bare;
  const rows = (Object.keys(medians) as (keyof typeof medians)[]).map((name) => ({
    read: name,
    'ns/call': Math.round(medians[name]),
    'over bare': Math.round(over(name)),
    'of p-retry': percent(over(name) / over('p-retry')),
    'of cockatiel': percent(over(name) / over('cockatiel fallback(retry)')),
  }));
  console.table(rows);
}

async function benchOptions(): Promise<void> {
  const read = createReplicaFallback(clients);
  const budgeted = createReplicaFallback({ ...clients, primaryBudget: createPrimaryBudget() });
  const limited = createReplicaFallback({ ...clients, replicaTimeoutMs: 500 });
  const { signal } = new AbortController();
  const abortable = createReplicaFallback({ ...clients, signal });
  const medians = await compare(
    {
      none: () => read(query),
      primaryBudget: () => budgeted(query),
      signal: () => abortable(query),
      replicaTimeoutMs: () => limited(query),
    },
    ROUND,
  );

  console.log('\nWhat an option adds to a hit\n');
  console.table(
    Object.entries(medians).map(([option, nanoseconds]) => ({
      option,
      'ns/call': Math.round(nanoseconds),
      'over none': Math.round(nanoseconds - medians.none),
    })),
  );
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** Makes the SDK count, as one that exports does, without exporting. */
class IdleReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}
