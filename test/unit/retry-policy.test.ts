import { diag } from '@opentelemetry/api';
import { InvalidOptionError, type RetryPolicy, withReplicaFallback } from 'kysely-replica-fallback';
import { expect, onTestFinished, test, vi } from 'vitest';
import { stopTheClock } from '../support/fake-clock.ts';
import { REPLICA_ERROR, ROW, SCRIPTS } from '../support/outcomes.ts';
import { recordDiagnostics } from '../support/recording-diagnostics.ts';
import { gives, misses, scriptClients, throws } from '../support/scripted-clients.ts';

const RETRY = 'replica as replica_retry';

/** A policy that never runs out of delays, and notes how many it gave and whether it was closed. */
function endless() {
  const seen = { delays: 0, closed: false };
  const policy: RetryPolicy = {
    *delays() {
      try {
        for (;;) {
          seen.delays++;
          yield 0;
        }
      } finally {
        seen.closed = true;
      }
    },
  };
  return { policy, seen };
}

test('asks the replica once per delay, and then the primary', async () => {
  const script = { replica: [misses, misses, misses, misses], primary: [gives(ROW)] };
  const { query, asked, clients } = scriptClients(script);
  const retryMs = { delays: () => [0, 0, 0] };

  expect(await withReplicaFallback(query, { ...clients, retryMs })).toBe(ROW);
  expect(asked).toEqual(['replica as replica', RETRY, RETRY, RETRY, 'primary as primary']);
});

test('waits each delay of the policy in turn', async () => {
  stopTheClock();
  const { query, asked, clients } = scriptClients({ replica: [misses, misses, gives(ROW)] });
  const read = withReplicaFallback(query, { ...clients, retryMs: { delays: () => [20, 300] } });

  await vi.advanceTimersByTimeAsync(20);
  expect(asked).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(299);
  expect(asked).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(1);
  expect(asked).toHaveLength(3);
  expect(await read).toBe(ROW);
});

test('goes to the primary when the policy has no delay', async () => {
  const { query, asked, clients } = scriptClients({ replica: [misses], primary: [gives(ROW)] });

  await withReplicaFallback(query, { ...clients, retryMs: { delays: () => [] } });

  expect(asked).toEqual(['replica as replica', 'primary as primary']);
});

test.for([
  { how: 'has the row', answer: gives(ROW) },
  { how: 'fails', answer: throws(REPLICA_ERROR) },
])('closes the policy without another delay when a retry $how', async ({ answer }) => {
  const { policy, seen } = endless();
  const { query, asked, clients } = scriptClients({ replica: [misses, misses, answer] });

  await withReplicaFallback(query, { ...clients, retryMs: policy }).catch(() => {});

  expect(asked).toHaveLength(3);
  expect(seen).toEqual({ delays: 2, closed: true });
});

test('closes the policy when the signal aborts', async () => {
  const { policy, seen } = endless();
  const controller = new AbortController();
  const abort = async () => controller.abort();
  const { query, clients } = scriptClients({ replica: [misses, abort] });
  const { signal } = controller;

  await withReplicaFallback(query, { ...clients, signal, retryMs: policy }).catch(() => {});

  expect(seen).toEqual({ delays: 1, closed: true });
});

test('stops a policy without an end after 100 retries, and asks the primary', async () => {
  const { policy, seen } = endless();
  const replica = Array.from({ length: 102 }, () => misses);
  const { query, asked, clients } = scriptClients({ replica, primary: [gives(ROW)] });

  expect(await withReplicaFallback(query, { ...clients, retryMs: policy })).toBe(ROW);
  expect(asked.filter((who) => who === RETRY)).toHaveLength(100);
  expect(seen).toEqual({ delays: 100, closed: true });
});

test.for([Number.NaN, -1, Infinity, 2 ** 31, '50', undefined])(
  'rejects when the policy gives %o for a delay, and asks nobody after it',
  async (delayMs) => {
    const { query, asked, clients } = scriptClients({ replica: [misses, misses] });
    const delays = () => [0, delayMs as number];

    const read = withReplicaFallback(query, { ...clients, retryMs: { delays } });

    await expect(read).rejects.toThrow(InvalidOptionError);
    await expect(read).rejects.toMatchObject({ option: 'retryMs.delays()', given: delayMs });
    expect(asked).toHaveLength(2);
  },
);

test.for<[string, unknown]>([
  ['a number', 50],
  ['nothing', undefined],
  ['an async generator', (async function* () {})()],
])('rejects when `delays()` gives %s, and asks nobody after it', async ([, given]) => {
  const { query, asked, clients } = scriptClients({ replica: [misses] });
  const delays = () => given as Iterable<number>;

  const read = withReplicaFallback(query, { ...clients, retryMs: { delays } });

  await expect(read).rejects.toThrow(
    'Expected `retryMs.delays()` to be an iterable of milliseconds',
  );
  expect(asked).toHaveLength(1);
});

test("rethrows the policy's own error object when it throws, and asks nobody after it", async () => {
  const error = new Error('The policy is broken.');
  const delays = () => {
    throw error;
  };
  const { query, asked, clients } = scriptClients({ replica: [misses] });

  const read = withReplicaFallback(query, { ...clients, retryMs: { delays } });

  await expect(read).rejects.toBe(error);
  expect(asked).toHaveLength(1);
});

test.for([
  {
    when: 'it has no more delays',
    next: () => ({ done: true, value: undefined }),
  },
  {
    when: 'it has thrown',
    next: () => {
      throw new Error('The policy is broken.');
    },
  },
])('does not close the policy when $when, because it has closed itself', async ({ next }) => {
  const close = vi.fn<() => IteratorResult<number>>();
  const iterator = { next, return: close } as Iterator<number>;
  const retryMs = { delays: () => ({ [Symbol.iterator]: () => iterator }) };
  const { query, clients } = scriptClients({ replica: [misses], primary: [gives(ROW)] });

  await withReplicaFallback(query, { ...clients, retryMs }).catch(() => {});

  expect(close).not.toHaveBeenCalled();
});

test('keeps the answer when the policy throws while it is closed, and tells the diagnostics', async () => {
  const errors = recordDiagnostics();
  onTestFinished(() => diag.disable());
  const error = new Error('The policy is broken.');
  const retryMs: RetryPolicy = {
    *delays() {
      try {
        yield 0;
      } finally {
        throw error; // oxlint-disable-line no-unsafe-finally
      }
    },
  };
  const { query, clients } = scriptClients(SCRIPTS.replica_retry);

  expect(await withReplicaFallback(query, { ...clients, retryMs })).toBe(ROW);
  expect(errors).toEqual([[expect.any(String), error]]);
});
