import {
  anyOf,
  attempted,
  noRows,
  returned,
  thrown,
  withReplicaFallback,
} from 'kysely-replica-fallback';
import { replicaUnavailable } from 'kysely-replica-fallback/postgres';
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

test.for([1, 2, 3])(
  'rejects with what the classifier throws about attempt %i, and asks nobody after it',
  async (n) => {
    const broken = new Error('The classifier is broken.');
    const { reports, onOutcome } = recordReads();
    const { query, asked, clients } = scriptClients(scriptNthAttempt(n, gives(ROW)));
    const isMiss = (value: unknown) => {
      if (value === ROW) throw broken;
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
const down = throws(new Error('down'));
test.for([
  { option: 'isMiss', is: 'is', isOne: isAsync, answer: misses },
  { option: 'isUnavailable', is: 'is', isOne: isAsync, answer: down },
  ...[
    anyOf(() => false, isAsync),
    anyOf(noRows, isAsync),
    anyOf(noRows, returned(isAsync)),
    anyOf(noRows, attempted(isAsync)),
  ].map((isOne) => ({ option: 'isMiss', is: 'has one that is', isOne, answer: misses })),
  { option: 'isMiss', is: 'has one that is', isOne: thrown(isAsync), answer: down },
  ...[anyOf(() => false, isAsync), anyOf(replicaUnavailable, isAsync)].map((isOne) => ({
    option: 'isUnavailable',
    is: 'has one that is',
    isOne,
    answer: down,
  })),
])(
  'rejects when `$option` $is async, because a promise would be a yes to everything',
  async ({ option, isOne, answer }) => {
    const { query, asked, clients } = scriptClients({ replica: [answer] });

    const read = withReplicaFallback(query, { ...clients, [option]: isOne });

    const expected = 'a function that returns a boolean';
    await expect(read).rejects.toMatchObject({ name: 'InvalidOptionError', option, expected });
    expect(asked).toEqual(['replica as replica']);
  },
);
