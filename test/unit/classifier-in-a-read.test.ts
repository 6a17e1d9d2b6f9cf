import { anyOf, type Attempt, withReplicaFallback } from 'kysely-replica-fallback';
import { recordReads } from 'kysely-replica-fallback/testing';
import { expect, test } from 'vitest';
import { dummyKysely } from '../support/dummy-kysely.ts';
import { ROW } from '../support/outcomes.ts';
import {
  AT_ONCE,
  gives,
  LADDER,
  misses,
  scriptClients,
  scriptNthAttempt,
  throws,
} from '../support/scripted-clients.ts';

test('asks the classifier once about each attempt, with its value or its error, and who was asked', async () => {
  const notFound = new Error('not found');
  const seen: Attempt<unknown>[] = [];
  const isMiss = (attempt: Attempt<unknown>) => {
    seen.push(attempt);
    return true;
  };
  const script = { replica: [throws(notFound), misses], primary: [gives(ROW)] };
  const { query, clients } = scriptClients(script);

  await withReplicaFallback(query, { ...clients, isMiss, retryMs: AT_ONCE });

  expect(seen).toEqual([
    { ok: false, error: notFound, source: 'replica' },
    { ok: true, value: undefined, source: 'replica_retry' },
    { ok: true, value: ROW, source: 'primary' },
  ]);
  expect(seen[0]).toHaveProperty('error', notFound);
  expect(seen[2]).toHaveProperty('value', ROW);
});

test.for([1, 2, 3])(
  'rejects with what the classifier throws about attempt %i, and asks nobody after it',
  async (n) => {
    const broken = new Error('The classifier is broken.');
    const { reports, onOutcome } = recordReads();
    const { query, asked, clients } = scriptClients(scriptNthAttempt(n, gives(ROW)));
    const isMiss = (attempt: Attempt<unknown>) => {
      if (attempt.ok && attempt.value === ROW) throw broken;
      return true;
    };

    const read = withReplicaFallback(query, { ...clients, isMiss, retryMs: AT_ONCE, onOutcome });

    await expect(read).rejects.toBe(broken);
    expect(asked).toEqual(LADDER.slice(0, n));
    expect(reports).toMatchObject([{ outcome: 'error', attempts: n, error: broken }]);
  },
);

test('falls back, by default, when Kysely finds no row to take', async () => {
  const replica = dummyKysely();
  const primary = dummyKysely();
  const clients: unknown[] = [];

  const read = withReplicaFallback(
    (db) => {
      clients.push(db);
      return db.selectFrom('orders').selectAll().executeTakeFirstOrThrow();
    },
    { primary, replica, retryMs: AT_ONCE },
  );

  await expect(read).rejects.toThrow('no result');
  expect(clients).toEqual([replica, replica, primary]);
});

const isAsync = (async () => false) as never;
test.for([
  { option: 'isMiss', is: 'is', isOne: isAsync },
  { option: 'isUnavailable', is: 'is', isOne: isAsync },
  { option: 'isMiss', is: 'has one that is', isOne: anyOf(() => false, isAsync) },
  { option: 'isUnavailable', is: 'has one that is', isOne: anyOf(() => false, isAsync) },
])(
  'rejects when `$option` $is async, because a promise would be a yes to everything',
  async ({ option, isOne }) => {
    const { query, asked, clients } = scriptClients({ replica: [throws(new Error('down'))] });

    const read = withReplicaFallback(query, { ...clients, [option]: isOne });

    const expected = 'a function that returns a boolean';
    await expect(read).rejects.toMatchObject({ name: 'InvalidOptionError', option, expected });
    expect(asked).toEqual(['replica as replica']);
  },
);
