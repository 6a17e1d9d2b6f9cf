import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { ConstantBackoff, fallback, handleAll, retry, wrap } from 'cockatiel';
import {
  createPrimaryBudget,
  createReplicaFallback,
  noRow,
  withReplicaFallback,
} from 'kysely-replica-fallback';
import { replicaUnavailable } from 'kysely-replica-fallback/postgres';
import pRetry from 'p-retry';
import { compare, processorClock, type Round } from './compare.ts';
import type { Extent } from './extent.ts';

const row = { id: 1 };
const query = async () => row;
const clients = { primary: {}, replica: {}, operation: 'bench' };

/** What a hit costs over the bare call of a query that costs nothing: beside others, and with the options that add to it. */
export async function benchHit({ isQuick }: Extent): Promise<void> {
  const extent = isQuick ? { calls: 10_000, rounds: 21 } : { calls: 20_000, rounds: 101 };
  const round = { ...extent, clock: processorClock };
  await benchBesideOthers(round);
  await benchOptions(round);
}

async function benchBesideOthers(round: Round): Promise<void> {
  const read = createReplicaFallback(clients);
  const meter = new MeterProvider({ readers: [new IdleReader()] }).getMeter('bench');
  const metered = createReplicaFallback({ ...clients, meter });
  const logged = createReplicaFallback({ ...clients, logger: console });
  const policy = wrap(
    fallback(handleAll, () => query()),
    retry(handleAll, { maxAttempts: 1, backoff: new ConstantBackoff(50) }),
  );
  const { primary, replica, operation } = clients;
  const timings = await compare(
    {
      bare: query,
      'withReplicaFallback()': () => withReplicaFallback(query, { primary, replica, operation }),
      'createReplicaFallback()': () => read(query),
      'with a logger': () => logged(query),
      'with an OpenTelemetry SDK': () => metered(query),
      'p-retry': () => pRetry(query, { retries: 1, minTimeout: 50 }),
      'cockatiel fallback(retry)': () => policy.execute(query),
    },
    round,
  );

  console.log(
    '\nA hit: nanoseconds of the processor over the bare call, and as a share of what others cost\n',
  );
  const over = (name: keyof typeof timings) => timings[name].median - timings.bare.median;
  const rows = (Object.keys(timings) as (keyof typeof timings)[]).map((name) => ({
    read: name,
    'ns/call': Math.round(timings[name].median),
    '±': Math.round(timings[name].spread),
    'over bare': Math.round(over(name)),
    'of p-retry': percent(over(name) / over('p-retry')),
    'of cockatiel': percent(over(name) / over('cockatiel fallback(retry)')),
  }));
  console.table(rows);
}

async function benchOptions(round: Round): Promise<void> {
  const { primary, replica, operation } = clients;
  const defaults = { enabled: true, isUnavailable: replicaUnavailable, logger: console };
  const service = { primary, replica, ...defaults };
  const read = createReplicaFallback(service);
  const budgeted = createReplicaFallback({ ...service, primaryBudget: createPrimaryBudget() });
  const limited = createReplicaFallback({ ...service, replicaTimeoutMs: 500 });
  const { signal } = new AbortController();
  const abortable = createReplicaFallback({ ...service, signal });
  const timings = await compare(
    {
      none: () => read(query),
      'one override': () => read(query, { operation }),
      'four overrides': () =>
        read(query, { operation, coalesceKey: '1', isMiss: noRow, retryMs: 100 }),
      primaryBudget: () => budgeted(query),
      signal: () => abortable(query),
      'operation and signal, as overrides': () => read(query, { operation, signal }),
      replicaTimeoutMs: () => limited(query),
    },
    round,
  );

  console.log('\nWhat overrides and options add to a hit\n');
  console.table(
    Object.entries(timings).map(([added, { median, spread }]) => ({
      added,
      'ns/call': Math.round(median),
      '±': Math.round(spread),
      'over none': Math.round(median - timings.none.median),
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
