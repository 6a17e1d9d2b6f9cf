import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { ConstantBackoff, fallback, handleAll, retry, wrap } from 'cockatiel';
import {
  createPrimaryBudget,
  createReplicaFallback,
  withReplicaFallback,
} from 'kysely-replica-fallback';
import pRetry from 'p-retry';
import { compare } from './compare.ts';

/** What a hit costs over the bare call of a query that costs nothing, and what others cost there. */
export async function benchHit(): Promise<void> {
  const row = { id: 1 };
  const query = async () => row;
  const primary = {};
  const replica = {};
  const operation = 'bench';
  const read = createReplicaFallback({ primary, replica, operation });
  const policy = wrap(
    fallback(handleAll, () => query()),
    retry(handleAll, { maxAttempts: 1, backoff: new ConstantBackoff(50) }),
  );
  const meter = new MeterProvider({ readers: [new IdleReader()] }).getMeter('bench');
  const metered = createReplicaFallback({ primary, replica, operation, meter });
  const logged = createReplicaFallback({ primary, replica, operation, logger: console });

  const primaryBudget = createPrimaryBudget();
  const budgeted = createReplicaFallback({ primary, replica, operation, primaryBudget });
  const limited = createReplicaFallback({ primary, replica, operation, replicaTimeoutMs: 500 });

  const medians = await compare(
    {
      bare: query,
      'withReplicaFallback()': () => withReplicaFallback(query, { primary, replica, operation }),
      'createReplicaFallback()': () => read(query),
      'with a budget': () => budgeted(query),
      'with a time limit': () => limited(query),
      'with a logger': () => logged(query),
      'with an OpenTelemetry SDK': () => metered(query),
      'p-retry': () => pRetry(query, { retries: 1, minTimeout: 50 }),
      'cockatiel fallback(retry)': () => policy.execute(query),
    },
    { calls: 20_000, rounds: 101 },
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

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** Makes the SDK count, as one that exports does, without exporting. */
class IdleReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}
