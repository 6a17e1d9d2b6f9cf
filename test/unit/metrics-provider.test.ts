import { metrics } from '@opentelemetry/api';
import { withReplicaFallback } from 'kysely-replica-fallback';
import { afterEach, expect, test } from 'vitest';
import { inMemoryMetrics, registerInMemoryMetrics } from '../support/in-memory-metrics.ts';
import { ROW } from '../support/outcomes.ts';

const primary = { name: 'primary' };
const replica = { name: 'replica' };
const hit = async () => ROW;

/** `n` reads that the replica served, as they are collected. */
function reads(n: number) {
  const points = [[{ outcome: 'replica' }, n]];
  return { 'replica_fallback.reads': { unit: '{read}', points } };
}

afterEach(() => {
  metrics.disable();
});

test('works without an SDK', async () => {
  expect(await withReplicaFallback(hit, { primary, replica })).toBe(ROW);
});

test('counts from the moment at which an SDK registers, also after earlier reads', async () => {
  await withReplicaFallback(hit, { primary, replica });

  const global = registerInMemoryMetrics();
  await withReplicaFallback(hit, { primary, replica });

  expect(await global.collect()).toEqual(reads(1));
});

test('follows the global provider to another one, and back', async () => {
  const first = registerInMemoryMetrics();
  await withReplicaFallback(hit, { primary, replica });
  const second = registerInMemoryMetrics();
  await withReplicaFallback(hit, { primary, replica });
  metrics.disable();
  await withReplicaFallback(hit, { primary, replica });
  metrics.setGlobalMeterProvider(first.provider);
  await withReplicaFallback(hit, { primary, replica });

  expect(await first.collect()).toEqual(reads(2));
  expect(await second.collect()).toEqual(reads(1));
});

test('counts with the `meter` that it is given, and not with the global provider', async () => {
  const global = registerInMemoryMetrics();
  const own = inMemoryMetrics();

  await withReplicaFallback(hit, { primary, replica, meter: own.meter });

  expect(await own.collect()).toEqual(reads(1));
  expect(await global.collect()).toEqual({});
});

test('counts each read with its own meter', async () => {
  const [a, b] = [inMemoryMetrics(), inMemoryMetrics()];

  for (const { meter } of [a, b, a]) await withReplicaFallback(hit, { primary, replica, meter });

  expect(await a.collect()).toEqual(reads(2));
  expect(await b.collect()).toEqual(reads(1));
});

test('creates each instrument of a meter once, however many reads it counts', async () => {
  const { meter } = inMemoryMetrics();
  const created: string[] = [];
  const recording = Object.assign(Object.create(meter) as typeof meter, {
    createCounter(name: string) {
      created.push(name);
      return meter.createCounter(name);
    },
    createHistogram(name: string) {
      created.push(name);
      return meter.createHistogram(name);
    },
  });
  const options = { primary, replica, meter: recording, retryMs: 0 };
  const onPrimary = async (db: object) => (db === primary ? ROW : undefined);

  for (let i = 0; i < 3; i++) await withReplicaFallback(onPrimary, options);
  await withReplicaFallback(hit, { primary, replica });
  await withReplicaFallback(onPrimary, options);

  expect(created.toSorted()).toEqual([
    'replica_fallback.coalesced',
    'replica_fallback.reads',
    'replica_fallback.recovery.duration',
    'replica_fallback.replica_failure',
    'replica_fallback.replica_miss',
  ]);
});
