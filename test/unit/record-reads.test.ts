import { withReplicaFallback } from 'kysely-replica-fallback';
import { recordReads } from 'kysely-replica-fallback/testing';
import { expect, test } from 'vitest';

test('records the reads that it listens to, in their order', async () => {
  const { onOutcome, outcomes, reports } = recordReads();
  const options = {
    primary: new Map([['late', 1]]),
    replica: new Map<string, number>(),
    retryMs: { max: 0 },
    onOutcome,
  };
  for (const operation of ['late', 'nowhere']) {
    await withReplicaFallback(async (map) => map.get(operation), { ...options, operation });
  }
  expect(outcomes).toEqual(['primary', 'not_found']);
  expect(reports).toMatchObject([
    { operation: 'late', outcome: 'primary', attempts: 2 },
    { operation: 'nowhere', outcome: 'not_found', attempts: 2 },
  ]);
});

test('records nothing of a bypass', async () => {
  const { onOutcome, outcomes } = recordReads();
  await withReplicaFallback(async () => 1, { primary: {}, onOutcome });
  expect(outcomes).toEqual([]);
});
