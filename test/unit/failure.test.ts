import { anyOf, thrown, withReplicaFallback } from 'kysely-replica-fallback';
import { recordReads } from 'kysely-replica-fallback/testing';
import { expect, test } from 'vitest';
import { spanEventsOf } from '../support/in-memory-span.ts';
import { inMemoryMetrics } from '../support/in-memory-metrics.ts';
import { ROW } from '../support/outcomes.ts';
import { recordingLogger } from '../support/recording-logger.ts';
import { AT_ONCE, gives, misses, scriptClients, throws } from '../support/scripted-clients.ts';

const down = new Error('The replica is down.');
const other = new Error('Something else.');
const isUnavailable = (error: unknown): boolean => error === down;
const neverWaits = { delays: () => expect.unreachable('It waits for a replica that is down.') };

test('goes to the primary at once when the replica cannot answer', async () => {
  const { query, asked, clients } = scriptClients({
    replica: [throws(down)],
    primary: [gives(ROW)],
  });

  const read = withReplicaFallback(query, { ...clients, isUnavailable, retryMs: neverWaits });

  expect(await read).toBe(ROW);
  expect(asked).toEqual(['replica as replica', 'primary as primary']);
});

test('goes to the primary when the replica cannot answer after the wait', async () => {
  const { query, asked, clients } = scriptClients({
    replica: [misses, throws(down)],
    primary: [gives(ROW)],
  });

  const retryMs = { delays: () => [0, 0, 0] };
  expect(await withReplicaFallback(query, { ...clients, isUnavailable, retryMs })).toBe(ROW);
  expect(asked).toEqual(['replica as replica', 'replica as replica_retry', 'primary as primary']);
});

test('rethrows an error that does not mean that the replica could not answer', async () => {
  const { query, asked, clients } = scriptClients({ replica: [throws(other)] });

  await expect(withReplicaFallback(query, { ...clients, isUnavailable })).rejects.toBe(other);
  expect(asked).toEqual(['replica as replica']);
});

test('takes no error for a failure by default', async () => {
  const { query, clients } = scriptClients({ replica: [throws(down)] });

  await expect(withReplicaFallback(query, clients)).rejects.toBe(down);
});

test('does not ask whether the primary could answer', async () => {
  const { query, clients } = scriptClients({ replica: [throws(down)], primary: [throws(other)] });
  const { reports, onOutcome } = recordReads();
  const askedAbout: unknown[] = [];
  const isAnything = (error: unknown): boolean => askedAbout.push(error) > 0;

  const read = withReplicaFallback(query, { ...clients, isUnavailable: isAnything, onOutcome });

  await expect(read).rejects.toBe(other);
  expect(askedAbout).toEqual([down]);
  expect(reports).toMatchObject([{ outcome: 'error', failedDuring: 'primary', error: other }]);
});

test('asks about a failure before it asks about a miss', async () => {
  const { query, asked, clients } = scriptClients({
    replica: [throws(down)],
    primary: [gives(ROW)],
  });

  await withReplicaFallback(query, {
    ...clients,
    isUnavailable,
    isMiss: thrown(Error),
    retryMs: AT_ONCE,
  });

  expect(asked).toEqual(['replica as replica', 'primary as primary']);
});

test('never takes an abort for a failure', async () => {
  const abort = new DOMException('No longer wanted.', 'AbortError');
  const { query, clients } = scriptClients({ replica: [throws(abort)] });

  const read = withReplicaFallback(query, { ...clients, isUnavailable: () => true });

  await expect(read).rejects.toBe(abort);
});

test('ends the read with what `isUnavailable` throws', async () => {
  const broken = new Error('The classifier is broken.');
  const { query, asked, clients } = scriptClients({ replica: [throws(down)] });
  const isBroken = () => {
    throw broken;
  };

  const read = withReplicaFallback(query, { ...clients, isUnavailable: isBroken });

  await expect(read).rejects.toBe(broken);
  expect(asked).toHaveLength(1);
});

test('composes classifiers of errors', () => {
  const isOneOfTwo = anyOf(isUnavailable, (error) => error === other);

  expect([down, other, new Error()].map(isOneOfTwo)).toEqual([true, true, false]);
});

test('tells a failure from a miss', async () => {
  const { query, clients } = scriptClients({ replica: [throws(down)], primary: [gives(ROW)] });
  const { meter, collect } = inMemoryMetrics();
  const { reports, onOutcome } = recordReads();
  const logger = recordingLogger();

  const events = await spanEventsOf(() =>
    withReplicaFallback(query, { ...clients, isUnavailable, meter, logger, onOutcome }),
  );

  expect(events).toMatchObject([{ attributes: { cause: 'failure' } }]);
  const { 'replica_fallback.replica_failure': failures, ...others } = await collect();
  expect(failures?.points).toEqual([[{ outcome: 'primary' }, 1]]);
  expect(others).not.toHaveProperty(['replica_fallback.replica_miss']);
  expect(reports).toMatchObject([{ outcome: 'primary', attempts: 2, replicaError: down }]);
  expect(logger.lines).toMatchObject([
    { level: 'warn', message: 'The primary served a read that the replica could not answer.' },
  ]);
});

test('counts a miss that a failure follows as both', async () => {
  const { query, clients } = scriptClients({
    replica: [misses, throws(down)],
    primary: [gives(ROW)],
  });
  const { meter, collect } = inMemoryMetrics();

  await withReplicaFallback(query, { ...clients, isUnavailable, meter, retryMs: AT_ONCE });

  const metrics = await collect();
  expect(metrics['replica_fallback.replica_miss']?.points).toEqual([[{ outcome: 'primary' }, 1]]);
  expect(metrics['replica_fallback.replica_failure']?.points).toEqual([
    [{ outcome: 'primary' }, 1],
  ]);
});

test.for(['down', null, {}])('refuses %o for `isUnavailable`', async (isBad) => {
  const { query, clients } = scriptClients({});
  const options = { ...clients, isUnavailable: isBad as never };

  await expect(withReplicaFallback(query, options)).rejects.toMatchObject({
    option: 'isUnavailable',
    given: isBad,
  });
});
