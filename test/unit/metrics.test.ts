import { readFileSync } from 'node:fs';
import { metrics } from '@opentelemetry/api';
import { withReplicaFallback } from 'kysely-replica-fallback';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { stopTheClock } from '../support/fake-clock.ts';
import { type InMemoryMetrics, registerInMemoryMetrics } from '../support/in-memory-metrics.ts';
import { REPLICA_ERROR, ROW, SCRIPTS, type ScriptedOutcome } from '../support/outcomes.ts';
import {
  AT_ONCE,
  gives,
  misses,
  scriptClients,
  slowly,
  throws,
} from '../support/scripted-clients.ts';

const READS = 'replica_fallback.reads';
const MISSES = 'replica_fallback.replica_miss';
const RECOVERY = 'replica_fallback.recovery.duration';

let global: InMemoryMetrics;
beforeEach(() => {
  global = registerInMemoryMetrics();
});
afterEach(() => {
  metrics.disable();
});

/** What stands in an instrument after one read: one point with these attributes, and 1 for its value. */
function once(unit: string, attributes: object) {
  return { unit, points: [[attributes, 1]] };
}

async function readTo(outcome: ScriptedOutcome, options: object = {}): Promise<void> {
  const { query, clients } = scriptClients(SCRIPTS[outcome]);
  const read = withReplicaFallback(query, { ...clients, retryMs: AT_ONCE, ...options });
  await read.catch(() => {});
}

test('counts a hit as a read, and as nothing else', async () => {
  await readTo('replica');

  expect(await global.collect()).toStrictEqual({ [READS]: once('{read}', { outcome: 'replica' }) });
});

test.for<ScriptedOutcome>(['replica_retry', 'primary'])(
  'counts a read, a miss and a duration when the outcome is %s',
  async (outcome) => {
    await readTo(outcome);

    expect(await global.collect()).toStrictEqual({
      [READS]: once('{read}', { outcome }),
      [MISSES]: once('{read}', { outcome }),
      [RECOVERY]: once('s', { outcome }),
    });
  },
);

test.for<ScriptedOutcome>(['not_found', 'error'])(
  'counts a read and a duration, but no miss, when the outcome is %s',
  async (outcome) => {
    await readTo(outcome);

    expect(await global.collect()).toStrictEqual({
      [READS]: once('{read}', { outcome }),
      [RECOVERY]: once('s', { outcome }),
    });
  },
);

test('counts a read, and no duration, when the replica fails without a recovery', async () => {
  const { query, clients } = scriptClients({ replica: [throws(REPLICA_ERROR)] });
  await withReplicaFallback(query, clients).catch(() => {});

  expect(await global.collect()).toStrictEqual({ [READS]: once('{read}', { outcome: 'error' }) });
});

test.for<ScriptedOutcome>(['replica', 'replica_retry', 'primary', 'not_found', 'error'])(
  'adds the operation, and nothing more, to the attributes of %s',
  async (outcome) => {
    await readTo(outcome, { operation: 'order_by_id' });

    const instruments = Object.values(await global.collect());
    const attributes = instruments.flatMap(({ points }) => points.map(([given]) => given));
    for (const given of attributes)
      expect(given).toStrictEqual({ outcome, operation: 'order_by_id' });
    expect(attributes.length).toBeGreaterThan(0);
  },
);

test('adds the reads of one operation up', async () => {
  await readTo('primary', { operation: 'a' });
  await readTo('primary', { operation: 'a' });
  await readTo('primary', { operation: 'b' });

  const { [MISSES]: counted } = await global.collect();
  expect(counted?.points).toStrictEqual([
    [{ outcome: 'primary', operation: 'a' }, 2],
    [{ outcome: 'primary', operation: 'b' }, 1],
  ]);
});

test('counts misses under the name that `missCounter` gives, and nothing else', async () => {
  const missCounter = 'orders.replica_miss';
  await readTo('primary', { missCounter });

  expect(await global.collect()).toStrictEqual({
    [READS]: once('{read}', { outcome: 'primary' }),
    [missCounter]: once('{read}', { outcome: 'primary' }),
    [RECOVERY]: once('s', { outcome: 'primary' }),
  });
});

test('measures a recovery in seconds, from the end of the first miss to the end', async () => {
  stopTheClock();
  const script = { replica: [slowly(30, undefined), slowly(30, ROW)] };
  const { query, clients } = scriptClients(script);
  const options = { ...clients, retryMs: { min: 80, max: 80 } };
  await Promise.all([withReplicaFallback(query, options), vi.runAllTimersAsync()]);

  const [point] = await global.recordings(RECOVERY);
  expect(point?.sum).toBeCloseTo(0.11, 9);
});

test('tells recoveries apart within the default retry window, by their buckets', async () => {
  stopTheClock();
  for (const delayMs of [60, 120, 180]) {
    const { query, clients } = scriptClients(SCRIPTS.replica_retry);
    const options = { ...clients, retryMs: { min: delayMs, max: delayMs } };
    await Promise.all([withReplicaFallback(query, options), vi.runAllTimersAsync()]);
  }

  const [point] = await global.recordings(RECOVERY);
  expect(point?.buckets.counts.filter((count) => count > 0)).toEqual([1, 1, 1]);
});

test("counts under the package's name and version", async () => {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { name, version } = JSON.parse(manifest) as { name: string; version: string };
  await readTo('replica');

  expect(await global.scopes()).toEqual([{ name, version }]);
});

const isUnavailable = (error: unknown): boolean => error === REPLICA_ERROR;

test('says of each instrument what it counts', async () => {
  const options = { retryMs: 0, operation: 'order_by_id', coalesceKey: 'o1' };

  const primary = {};
  const reads = [throws(REPLICA_ERROR), misses].map((answer) =>
    withReplicaFallback<object, unknown>(
      (_, context) => (context.source === 'primary' ? gives(ROW) : answer)(context),
      { ...options, primary, replica: {}, isUnavailable },
    ),
  );
  await Promise.all(reads);

  expect(await global.descriptions()).toEqual({
    [READS]: 'Reads that were not bypassed, in {read}',
    [MISSES]: 'Reads that a replica missed, in {read}',
    [RECOVERY]: 'Time from the first miss or failure to the end, in s',
    'replica_fallback.replica_failure': 'Reads that a replica could not answer, in {read}',
    'replica_fallback.coalesced': 'Reads that shared a query on the primary, in {read}',
  });
});
