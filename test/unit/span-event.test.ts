import { withReplicaFallback } from 'kysely-replica-fallback';
import { expect, test } from 'vitest';
import { spanEventsOf } from '../support/in-memory-span.ts';
import { REPLICA_ERROR, ROW, SCRIPTS, type ScriptedOutcome } from '../support/outcomes.ts';
import { AT_ONCE, gives, scriptClients, throws } from '../support/scripted-clients.ts';

test.for<{ outcome: ScriptedOutcome; attempts: number }>([
  { outcome: 'replica_retry', attempts: 2 },
  { outcome: 'primary', attempts: 3 },
  { outcome: 'not_found', attempts: 3 },
  { outcome: 'error', attempts: 2 },
])('notes a recovery that ended as $outcome on the active span', async ({ outcome, attempts }) => {
  const { query, clients } = scriptClients(SCRIPTS[outcome]);
  const options = { ...clients, retryMs: { min: 1, max: 1 } };

  const events = await spanEventsOf(() => withReplicaFallback(query, options).catch(() => {}));

  expect(events).toStrictEqual([
    { name: 'replica_fallback.recovery', attributes: { outcome, attempts, cause: 'miss' } },
  ]);
});

test('notes the operation when there is one', async () => {
  const { query, clients } = scriptClients(SCRIPTS.primary);
  const options = { ...clients, retryMs: AT_ONCE, operation: 'order_by_id' };

  const events = await spanEventsOf(() => withReplicaFallback(query, options));

  expect(events.map(({ attributes }) => attributes)).toStrictEqual([
    { outcome: 'primary', operation: 'order_by_id', attempts: 3, cause: 'miss' },
  ]);
});

test.for([
  { how: 'a hit', answer: gives(ROW) },
  { how: 'an error that needs no recovery', answer: throws(REPLICA_ERROR) },
])('notes nothing of $how', async ({ answer }) => {
  const { query, clients } = scriptClients({ replica: [answer] });

  const events = await spanEventsOf(() => withReplicaFallback(query, clients).catch(() => {}));

  expect(events).toEqual([]);
});
