import { getEventListeners } from 'node:events';
import timers from 'node:timers/promises';
import { ReplicaTimeoutError, withReplicaFallback } from 'kysely-replica-fallback';
import { recordReads } from 'kysely-replica-fallback/testing';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { stopTheClock } from '../support/fake-clock.ts';
import { REPLICA_ERROR, ROW } from '../support/outcomes.ts';
import {
  type Answer,
  AT_ONCE,
  gives,
  misses,
  scriptClients,
  slowly,
  throws,
} from '../support/scripted-clients.ts';
import { unhandledRejectionsOf } from '../support/unhandled-rejections.ts';

beforeEach(stopTheClock);

const neverAnswers: Answer = () => new Promise(() => {});

/** This process stands still for so long: the clock goes on, and all of its timers are late. */
function pause(ms: number): void {
  const now = performance.now.bind(performance);
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + ms);
  onTestFinished(() => clock.mockRestore());
}

/** The same for real. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

test.for([
  { pauseMs: 30, answersAfterMs: 129, outcome: 'replica' },
  { pauseMs: 30, answersAfterMs: 131, outcome: 'primary' },
  { pauseMs: 1_000, answersAfterMs: 199, outcome: 'replica' },
  { pauseMs: 1_000, answersAfterMs: 201, outcome: 'primary' },
])(
  'gives a replica back what it lost by a pause of the own process, once, but no more than it had: $pauseMs, $answersAfterMs',
  async ({ pauseMs, answersAfterMs, outcome }) => {
    const replica = [slowly(answersAfterMs, ROW)];
    const { query, clients } = scriptClients({ replica, primary: [gives(ROW)] });
    const { outcomes, onOutcome } = recordReads();
    const read = withReplicaFallback(query, { ...clients, replicaTimeoutMs: 100, onOutcome });

    pause(pauseMs);
    await vi.advanceTimersByTimeAsync(500);

    expect(await read).toBe(ROW);
    expect(outcomes).toEqual([outcome]);
  },
);

test('does not abort the signal of an attempt whose answer comes in when a late timer has just fired', async () => {
  vi.useRealTimers();
  let signal: AbortSignal | undefined;
  const read = withReplicaFallback<object, unknown>(
    (_, attempt) => {
      signal = attempt.signal;
      return timers.setTimeout(120, ROW);
    },
    { primary: {}, replica: {}, replicaTimeoutMs: 20 },
  );
  standStill(60); // The timer is late, and gives 20 ms back.
  for (let round = 0; round < 2; round++) await timers.setImmediate(); // all timers that are due fire
  standStill(100); // It is late again, and so is the answer, which is next.

  expect(await read).toBe(ROW);
  await timers.setImmediate();
  expect(signal?.aborted).toBe(false);
});

test('goes to the primary at once when the replica takes too long, and not a millisecond before', async () => {
  const { query, asked, clients } = scriptClients({
    replica: [neverAnswers],
    primary: [gives(ROW)],
  });
  const { reports, onOutcome } = recordReads();
  const read = withReplicaFallback(query, { ...clients, replicaTimeoutMs: 100, onOutcome });

  await vi.advanceTimersByTimeAsync(99);
  expect(asked).toEqual(['replica as replica']);
  await vi.advanceTimersByTimeAsync(1);

  expect(await read).toBe(ROW);
  expect(asked).toEqual(['replica as replica', 'primary as primary']);
  expect(reports).toMatchObject([{ outcome: 'primary', attempts: 2, durationMs: 100 }]);
  expect(reports[0]?.replicaError).toBeInstanceOf(ReplicaTimeoutError);
  expect(reports[0]?.replicaError).toMatchObject({
    name: 'ReplicaTimeoutError',
    message: 'The replica did not answer within 100 ms.',
    timeoutMs: 100,
  });
});

test('bounds each attempt on a replica, and not the wait between them', async () => {
  const { query, clients } = scriptClients({ replica: [misses, neverAnswers], primary: [misses] });
  const { reports, onOutcome } = recordReads();
  const retryMs = { min: 150, max: 150 };
  const read = withReplicaFallback(query, {
    ...clients,
    replicaTimeoutMs: 100,
    retryMs,
    onOutcome,
  });

  await vi.advanceTimersByTimeAsync(250);
  await read;

  expect(reports).toMatchObject([{ outcome: 'not_found', attempts: 3, durationMs: 250 }]);
});

test('does not bound the primary', async () => {
  const { query, clients } = scriptClients({ replica: [misses], primary: [slowly(500, ROW)] });
  const options = { ...clients, replicaTimeoutMs: 100, retryMs: 0 };
  const read = withReplicaFallback(query, options);

  await vi.advanceTimersByTimeAsync(500);

  expect(await read).toBe(ROW);
});

test('asks the next replica when one takes too long', async () => {
  const replica = [{ name: 'a' }, { name: 'b' }];
  const asked: string[] = [];
  const read = withReplicaFallback(
    async (db) => {
      asked.push(db.name);
      return asked.length === 1 ? new Promise(() => {}) : ROW;
    },
    { primary: { name: 'primary' }, replica, replicaTimeoutMs: 100 },
  );

  await vi.advanceTimersByTimeAsync(100);

  expect(await read).toBe(ROW);
  expect(asked.toSorted()).toEqual(['a', 'b']);
});

test('is not for `isUnavailable` to decide', async () => {
  const { query, clients } = scriptClients({ replica: [neverAnswers], primary: [gives(ROW)] });
  const options = { ...clients, replicaTimeoutMs: 100, isUnavailable: () => false };
  const read = withReplicaFallback(query, options);

  await vi.advanceTimersByTimeAsync(100);

  expect(await read).toBe(ROW);
});

test('aborts the signal of the attempt that takes too long, and of no other', async () => {
  const signals: AbortSignal[] = [];
  const { query, clients } = scriptClients({ replica: [neverAnswers], primary: [misses] });
  const { reports, onOutcome } = recordReads();
  const read = withReplicaFallback(
    (db, attempt) => {
      if (attempt.signal !== undefined) signals.push(attempt.signal);
      return query(db, attempt);
    },
    { ...clients, replicaTimeoutMs: 100, onOutcome },
  );

  await vi.advanceTimersByTimeAsync(100);
  await read;

  expect(signals).toHaveLength(1);
  expect(signals[0]?.reason).toBe(reports[0]?.replicaError);
});

test.for([
  { what: 'fails late', answer: () => new Promise((_, fail) => setTimeout(fail, 200)) },
  {
    what: 'fails with an error of its own when it is aborted',
    answer: ({ signal }) =>
      new Promise((_, fail) => {
        signal!.addEventListener('abort', () => fail(REPLICA_ERROR), { once: true });
      }),
  },
] satisfies { what: string; answer: Answer }[])(
  'leaves a query that $what behind without an unhandled rejection',
  async ({ answer }) => {
    const { query, clients } = scriptClients({ replica: [answer], primary: [gives(ROW)] });

    const unhandled = await unhandledRejectionsOf(async () => {
      const read = withReplicaFallback(query, { ...clients, replicaTimeoutMs: 100 });
      await vi.advanceTimersByTimeAsync(200);
      vi.useRealTimers();
      expect(await read).toBe(ROW);
    });

    expect(unhandled).toEqual([]);
  },
);

test.for([
  { when: 'the replica has the row', script: { replica: [gives(ROW)] } },
  { when: 'the replica throws', script: { replica: [throws(REPLICA_ERROR)] } },
  {
    when: 'the primary has the row',
    script: { replica: [misses, misses], primary: [gives(ROW)] },
  },
])('leaves no timer and no listener when $when', async ({ script }) => {
  const { signal } = new AbortController();
  const { query, clients } = scriptClients(script);
  const options = { ...clients, signal, replicaTimeoutMs: 100, retryMs: AT_ONCE };

  const read = withReplicaFallback(query, options).catch(() => {});
  await vi.advanceTimersByTimeAsync(0);
  await read;

  expect(vi.getTimerCount()).toBe(0);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test("passes the abort of the caller's signal on to the attempt, and leaves nothing", async () => {
  const controller = new AbortController();
  let attempt: AbortSignal | undefined;
  const { query, asked, clients } = scriptClients({
    replica: [
      (context) => {
        attempt = context.signal;
        return new Promise(() => {});
      },
    ],
  });
  const { signal } = controller;
  const read = withReplicaFallback(query, { ...clients, signal, replicaTimeoutMs: 100 });

  controller.abort('no longer needed');

  await expect(read).rejects.toBe('no longer needed');
  expect(attempt?.reason).toBe('no longer needed');
  expect(asked).toHaveLength(1);
  expect(vi.getTimerCount()).toBe(0);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});
