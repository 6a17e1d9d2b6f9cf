import { setImmediate } from 'node:timers/promises';
import { attempted, thrown, withReplicaFallback } from 'kysely-replica-fallback';
import { recordReads } from 'kysely-replica-fallback/testing';
import { expect, test } from 'vitest';
import { ROW } from '../support/outcomes.ts';
import {
  type Answer,
  AT_ONCE,
  gives,
  LADDER,
  misses,
  scriptClients,
  scriptNthAttempt,
  throws,
} from '../support/scripted-clients.ts';
import { unhandledRejectionsOf } from '../support/unhandled-rejections.ts';

const SOURCES = ['replica', 'replica_retry', 'primary'] as const;
const isMiss = attempted(() => true);

test.for([
  { kind: 'an Error', reason: new Error('shutting down') },
  { kind: 'a string', reason: 'shutting down' },
  { kind: 'null', reason: null },
])(
  'rejects with the reason, $kind, and runs no query, when the signal aborted before',
  async ({ reason }) => {
    const signal = AbortSignal.abort(reason);
    const { reports, onOutcome } = recordReads();
    const { query, asked, clients } = scriptClients({ replica: [gives(ROW)] });

    const read = withReplicaFallback(query, { ...clients, signal, isMiss, onOutcome });

    await expect(read).rejects.toBe(reason);
    expect(asked).toEqual([]);
    expect(reports).toStrictEqual([
      {
        operation: undefined,
        outcome: 'error',
        attempts: 0,
        durationMs: expect.any(Number),
        error: reason,
      },
    ]);
  },
);

/** What a query may do about its signal. */
const reactions: Record<string, Answer> = {
  'ignores it': () => new Promise(() => {}),
  'ignores it and fails later': async () => {
    await setImmediate();
    throw new Error('too late');
  },
  'rejects with the reason': rejectOnAbort((signal) => signal.reason),
  'rejects with an error of its own': rejectOnAbort(() => new Error('canceled')),
};

function rejectOnAbort(toError: (signal: AbortSignal) => unknown): Answer {
  return ({ signal }) =>
    new Promise((_resolve, reject) => {
      signal!.addEventListener('abort', () => reject(toError(signal!)), { once: true });
    });
}

const cases = Object.keys(reactions).flatMap((how) => SOURCES.map((source) => ({ how, source })));

test.for(cases)(
  'rejects with the reason when the signal aborts during $source and the query $how',
  async ({ how, source }) => {
    const n = SOURCES.indexOf(source) + 1;
    const controller = new AbortController();
    const { signal } = controller;
    const abortMeanwhile: Answer = (context) => {
      queueMicrotask(() => controller.abort('no longer needed'));
      return reactions[how]!(context);
    };
    const { reports, onOutcome } = recordReads();
    const { query, asked, clients } = scriptClients(scriptNthAttempt(n, abortMeanwhile));
    const options = { ...clients, signal, isMiss, retryMs: AT_ONCE, onOutcome };

    const unhandled = await unhandledRejectionsOf(async () => {
      await expect(withReplicaFallback(query, options)).rejects.toBe('no longer needed');
    });

    expect(unhandled).toEqual([]);
    expect(asked).toEqual(LADDER.slice(0, n));
    expect(reports).toMatchObject([{ outcome: 'error', attempts: n, failedDuring: source }]);
  },
);

test.for([1, 2, 3])(
  'rejects with the reason when the query of attempt %i aborts the signal as it starts',
  async (n) => {
    const controller = new AbortController();
    const abortAtOnce = () => {
      controller.abort('no longer needed');
      return new Promise(() => {});
    };
    const { query, asked, clients } = scriptClients(scriptNthAttempt(n, abortAtOnce));
    const options = { ...clients, signal: controller.signal, isMiss, retryMs: AT_ONCE };

    await expect(withReplicaFallback(query, options)).rejects.toBe('no longer needed');
    expect(asked).toHaveLength(n);
  },
);

test.for([
  { next: 'replica_retry', n: 1, retryMs: AT_ONCE },
  { next: 'primary', n: 2, retryMs: AT_ONCE },
  { next: 'primary', n: 1, retryMs: 0 },
])('does not ask as $next when the signal aborts after attempt $n', async ({ n, retryMs }) => {
  const controller = new AbortController();
  const { query, asked, clients } = scriptClients(scriptNthAttempt(n, misses));
  const missAndAbort = () => {
    if (asked.length === n) controller.abort('no longer needed');
    return true;
  };
  const options = { ...clients, signal: controller.signal, isMiss: missAndAbort, retryMs };

  await expect(withReplicaFallback(query, options)).rejects.toBe('no longer needed');
  expect(asked).toHaveLength(n);
});

test.for(SOURCES)('never takes an AbortError of %s for a miss', async (source) => {
  const n = SOURCES.indexOf(source) + 1;
  const error = new DOMException('canceled', 'AbortError');
  const { reports, onOutcome } = recordReads();
  const { query, asked, clients } = scriptClients(scriptNthAttempt(n, throws(error)));

  const read = withReplicaFallback(query, { ...clients, isMiss, retryMs: AT_ONCE, onOutcome });

  await expect(read).rejects.toBe(error);
  expect(asked).toEqual(LADDER.slice(0, n));
  expect(reports).toMatchObject([{ outcome: 'error', failedDuring: source }]);
});

test('lets the classifier judge `undefined`, which is also the reason of a signal that did not abort', async () => {
  const { signal } = new AbortController();
  const script = { replica: [throws(undefined), throws(undefined)], primary: [gives(ROW)] };
  const { query, clients } = scriptClients(script);
  const options = { ...clients, signal, isMiss: thrown(() => true), retryMs: AT_ONCE };

  expect(await withReplicaFallback(query, options)).toBe(ROW);
});

test('asks no other replica when the signal aborts just as one has failed', async () => {
  const controller = new AbortController();
  const { signal } = controller;
  let asked = 0;

  const read = withReplicaFallback<object, unknown>(
    async () => {
      asked++;
      throw new Error('The replica is down.');
    },
    {
      primary: {},
      replica: [{}, {}],
      signal,
      isUnavailable: () => {
        controller.abort('no longer needed');
        return true;
      },
    },
  );

  await expect(read).rejects.toBe('no longer needed');
  expect(asked).toBe(1);
});
