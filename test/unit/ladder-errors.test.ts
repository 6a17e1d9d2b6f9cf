import { withReplicaFallback } from 'kysely-replica-fallback';
import { AbortError } from 'p-retry';
import { expect, test } from 'vitest';
import {
  AT_ONCE,
  LADDER,
  scriptClients,
  scriptNthAttempt,
  throws,
} from '../support/scripted-clients.ts';

const errors = [
  { kind: 'an Error', error: new Error('connection refused') },
  { kind: 'a TypeError', error: new TypeError('not a function') },
  { kind: 'a TypeError of a network', error: new TypeError('fetch failed') },
  { kind: "p-retry's AbortError", error: new AbortError(new Error('the cause')) },
  {
    kind: 'an Error that is named AbortError',
    error: Object.assign(new Error(), { name: 'AbortError' }),
  },
  { kind: 'a string', error: 'down' },
  { kind: 'undefined', error: undefined },
  { kind: 'an object', error: { code: '57P01' } },
];
const attempts = [1, 2, 3];

test.for(attempts.flatMap((n) => errors.map(({ kind, error }) => ({ kind, error, n }))))(
  'rethrows $kind of attempt $n when it is not a miss, and asks nobody after it',
  async ({ error, n }) => {
    const { query, asked, clients } = scriptClients(scriptNthAttempt(n, throws(error)));

    const read = withReplicaFallback(query, { ...clients, retryMs: AT_ONCE });

    await expect(read).rejects.toBe(error);
    expect(asked).toEqual(LADDER.slice(0, n));
  },
);

test('leaves the stack of an error as it is', async () => {
  const error = new Error('connection refused');
  const { stack } = error;
  const { query, clients } = scriptClients({ replica: [throws(error)] });

  await expect(withReplicaFallback(query, clients)).rejects.toHaveProperty('stack', stack);
});
