import { thrown, withReplicaFallback } from 'kysely-replica-fallback';
import { expect, test, vi } from 'vitest';
import { stopTheClock } from '../support/fake-clock.ts';
import { REPLICA_ERROR, ROW } from '../support/outcomes.ts';
import {
  AT_ONCE,
  gives,
  LADDER,
  misses,
  scriptClients,
  scriptNthAttempt,
  throws,
} from '../support/scripted-clients.ts';

test.for([1, 2, 3])('returns the very value of attempt %i, and asks nobody after it', async (n) => {
  const { query, asked, clients } = scriptClients(scriptNthAttempt(n, gives(ROW)));

  const value = await withReplicaFallback(query, { ...clients, retryMs: AT_ONCE });

  expect(value).toBe(ROW);
  expect(asked).toEqual(LADDER.slice(0, n));
});

test.for([0, '', false, Number.NaN, 0n, []].map((value) => ({ value })))(
  'takes $value for a hit',
  async ({ value }) => {
    const { query, asked, clients } = scriptClients({ replica: [gives(value)] });

    expect(await withReplicaFallback(query, clients)).toBe(value);
    expect(asked).toHaveLength(1);
  },
);

test.for([
  { replica: null, primary: undefined },
  { replica: undefined, primary: null },
])('returns $primary when that is how the primary says that there is no row', async (answers) => {
  const replica = [gives(answers.replica), gives(answers.replica)];
  const script = { replica, primary: [gives(answers.primary)] };
  const { query, asked, clients } = scriptClients(script);

  const value = await withReplicaFallback(query, { ...clients, retryMs: AT_ONCE });

  expect(value).toBe(answers.primary);
  expect(asked).toEqual(LADDER);
});

test("rethrows the primary's own error object when the row is nowhere", async () => {
  const notFound = new RangeError('not found');
  const notHere = throws(new RangeError('not here yet'));
  const script = { replica: [notHere, notHere], primary: [throws(notFound)] };
  const { query, asked, clients } = scriptClients(script);
  const isMiss = thrown(RangeError);

  const read = withReplicaFallback(query, { ...clients, isMiss, retryMs: AT_ONCE });

  await expect(read).rejects.toBe(notFound);
  expect(asked).toEqual(LADDER);
});

test('retries the replica exactly once by default', async () => {
  stopTheClock();
  const { query, asked, clients } = scriptClients(scriptNthAttempt(3, gives(ROW)));

  await Promise.all([withReplicaFallback(query, clients), vi.runAllTimersAsync()]);

  expect(asked).toEqual(LADDER);
});

test.for([0, { max: 0 }, { min: 0, max: 0 }])(
  'goes to the primary at once when `retryMs` is %o',
  async (retryMs) => {
    const script = { replica: [misses], primary: [gives(ROW)] };
    const { query, asked, clients } = scriptClients(script);

    expect(await withReplicaFallback(query, { ...clients, retryMs })).toBe(ROW);
    expect(asked).toEqual(['replica as replica', 'primary as primary']);
  },
);

function throwsAtOnce(): never {
  throw REPLICA_ERROR;
}

test('takes what a query throws at once like what it rejects with', async () => {
  const { query, asked, clients } = scriptClients({ replica: [throwsAtOnce] });

  const read = withReplicaFallback(query, clients);

  await expect(read).rejects.toBe(REPLICA_ERROR);
  expect(asked).toHaveLength(1);
});

test('takes an error that a query throws at once for a miss when the classifier does', async () => {
  const script = { replica: [throwsAtOnce, throwsAtOnce], primary: [gives(ROW)] };
  const { query, clients } = scriptClients(script);
  const isMiss = thrown(Error);

  expect(await withReplicaFallback(query, { ...clients, isMiss, retryMs: AT_ONCE })).toBe(ROW);
});
