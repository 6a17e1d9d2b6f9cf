import { getEventListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  createPrimaryBudget,
  createReplicaFallback,
  PrimaryBudgetExceededError,
  type ReplicaFallbackOptions,
  withReplicaFallback,
} from 'kysely-replica-fallback';
import { recordReads } from 'kysely-replica-fallback/testing';
import { expect, test, vi } from 'vitest';
import { dummyKysely } from '../support/dummy-kysely.ts';
import { stopTheClock } from '../support/fake-clock.ts';
import { inMemoryMetrics } from '../support/in-memory-metrics.ts';
import { ROW } from '../support/outcomes.ts';
import { unhandledRejectionsOf } from '../support/unhandled-rejections.ts';

type Options = Partial<ReplicaFallbackOptions<object, unknown>>;

/** A query on the primary, which ends when the test says so. */
type Flight = PromiseWithResolvers<unknown> & { readonly signal: AbortSignal | undefined };

/** A read that has started, and misses on the replica when the test says so. */
interface Started {
  readonly answer: Promise<unknown>;
  readonly miss: () => void;
}

function startService() {
  const primary = {};
  const replica = {};
  const flights: Flight[] = [];
  return {
    flights,
    read: (coalesceKey: string | undefined, options: Options = {}): Started => {
      const missing = Promise.withResolvers<undefined>();
      const answer = withReplicaFallback<object, unknown>(
        (_, { source, signal }) => {
          if (source !== 'primary') return missing.promise;
          const flight = { ...Promise.withResolvers<unknown>(), signal };
          flights.push(flight);
          return flight.promise;
        },
        { primary, replica, retryMs: 0, operation: 'order_by_id', coalesceKey, ...options },
      );
      answer.catch(() => {});
      return { answer, miss: () => missing.resolve(undefined) };
    },
  };
}

/** Resolves when these reads wait for the primary. */
function spill(...reads: readonly Started[]): Promise<void> {
  for (const { miss } of reads) miss();
  return setImmediate();
}

function answersOf(...reads: readonly Started[]): Promise<unknown[]> {
  return Promise.all(reads.map(({ answer }) => answer));
}

test('reads of one operation and key that spill at the same time share one query', async () => {
  const { read, flights } = startService();
  const reads = [read('o1'), read('o1'), read('o1')];

  await spill(...reads);
  expect(flights).toHaveLength(1);
  flights[0]?.resolve(ROW);

  for (const answer of await answersOf(...reads)) expect(answer).toBe(ROW);
});

test.for<{ what: string; key: string | undefined; options?: Options }>([
  { what: 'another key', key: 'o2' },
  { what: 'another operation', key: 'o1', options: { operation: 'order_status' } },
  { what: 'another primary', key: 'o1', options: { primary: {} } },
  { what: 'no key', key: undefined },
])('a read with $what has a query of its own', async ({ key, options }) => {
  const { read, flights } = startService();

  await spill(read('o1'), read(key, options));

  expect(flights).toHaveLength(2);
});

test('a tenant never gets the answer of another one, whose schema is on the same driver', async () => {
  const db = dummyKysely();
  const find = (tenant: string) =>
    withReplicaFallback(async (client, { source }) => (source === 'primary' ? client : undefined), {
      primary: db.withSchema(tenant),
      replica: db.withSchema(tenant),
      retryMs: 0,
      operation: 'order_by_id',
      coalesceKey: 'order-1',
    });

  const [one, other] = await Promise.all([find('one'), find('other')]);

  const sqlOf = (client: typeof one) => client?.selectFrom('orders').selectAll().compile().sql;
  expect(sqlOf(one)).toContain('"one"."orders"');
  expect(sqlOf(other)).toContain('"other"."orders"');
});

test('tells operations and keys apart that are made of the same letters', async () => {
  const { read, flights } = startService();

  await spill(
    read('c', { operation: 'a b' }),
    read('b c', { operation: 'a' }),
    read('c', { operation: 'a","b' }),
    read('b","c', { operation: 'a' }),
  );

  expect(flights).toHaveLength(4);
});

test('a read never joins a query that started before the read did', async () => {
  const { read, flights } = startService();
  const early = read('o1');
  await spill(early);
  const late = read('o1');
  await spill(late);

  expect(flights).toHaveLength(2);
  flights[1]?.resolve('with what was written meanwhile');
  expect(await late.answer).toBe('with what was written meanwhile');
  flights[0]?.resolve('without');
  expect(await early.answer).toBe('without');
});

test('a read joins a query that started after it, and none that started before, while the clock stands still', async () => {
  stopTheClock();
  const { read, flights } = startService();
  const reads = [read('o1'), read('o1')];
  for (const { miss } of reads) miss();
  await vi.advanceTimersByTimeAsync(0);
  expect(flights).toHaveLength(1);

  read('o1').miss();
  await vi.advanceTimersByTimeAsync(0);

  expect(flights).toHaveLength(2);
});

test('a read never joins a query that started before it on a clock that was ahead', async () => {
  stopTheClock();
  const { read, flights } = startService();
  read('o1').miss();
  await vi.advanceTimersByTimeAsync(0);
  vi.useRealTimers();

  await spill(read('o1'));

  expect(flights).toHaveLength(2);
});

test('a read joins the later of two queries, also when the earlier one has ended', async () => {
  const { read, flights } = startService();
  const first = read('o1');
  await spill(first);
  const [second, third] = [read('o1'), read('o1')];
  await spill(second);
  flights[0]?.resolve('the earlier');
  await first.answer;

  await spill(third);

  expect(flights).toHaveLength(2);
  flights[1]?.resolve('the later');
  expect(await answersOf(second, third)).toEqual(['the later', 'the later']);
});

test('a read does not join a query that has ended', async () => {
  const { read, flights } = startService();
  const [one, two] = [read('o1'), read('o1')];
  await spill(one);
  flights[0]?.resolve(ROW);
  await one.answer;

  await spill(two);

  expect(flights).toHaveLength(2);
});

test('all who share a query get its error, the same object', async () => {
  const { read, flights } = startService();
  const error = new Error('The primary refused.');
  const reads = [read('o1'), read('o1')];

  const unhandled = await unhandledRejectionsOf(async () => {
    await spill(...reads);
    flights[0]?.reject(error);
    for (const { answer } of reads) await expect(answer).rejects.toBe(error);
  });

  expect(unhandled).toEqual([]);
});

test('each read judges the shared answer for itself', async () => {
  const { read, flights } = startService();
  const { reports, onOutcome } = recordReads();
  const reads = [read('o1', { onOutcome }), read('o1', { onOutcome, isMiss: () => true })];

  await spill(...reads);
  flights[0]?.resolve(ROW);
  await answersOf(...reads);

  expect(reports.map(({ outcome }) => outcome)).toEqual(['primary', 'not_found']);
});

test("one read's abort leaves the others alone", async () => {
  const { read, flights } = startService();
  const [starting, joining] = [new AbortController(), new AbortController()];
  const starter = read('o1', { signal: starting.signal });
  const joiner = read('o1', { signal: joining.signal });
  const patient = read('o1');
  await spill(starter, joiner, patient);

  starting.abort('no longer needed');
  joining.abort('nor this one');

  await expect(starter.answer).rejects.toBe('no longer needed');
  await expect(joiner.answer).rejects.toBe('nor this one');
  expect(flights[0]?.signal?.aborted).toBe(false);
  flights[0]?.resolve(ROW);
  expect(await patient.answer).toBe(ROW);
  for (const { signal } of [starting, joining]) {
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  }
});

test.for(['AbortError', 'TimeoutError'])(
  "asks again when the shared query ended with the %s of another read's request",
  async (name) => {
    const { read, flights } = startService();
    const [starter, second, third] = [read('o1'), read('o1'), read('o1')];
    await spill(starter, second, third);
    const abort = new DOMException('That request is over.', name);

    flights[0]?.reject(abort);
    await setImmediate();
    expect(flights).toHaveLength(2);
    flights[1]?.resolve(ROW);

    await expect(starter.answer).rejects.toBe(abort);
    expect(await answersOf(second, third)).toEqual([ROW, ROW]);
  },
);

test('asks only once more when each query times out, however many reads share it', async () => {
  const { read, flights } = startService();
  const reads = [read('o1'), read('o1'), read('o1'), read('o1')];
  await spill(...reads);
  const timeouts = [1, 2].map((n) => new DOMException(`Query ${n} timed out.`, 'TimeoutError'));

  for (const [index, timeout] of timeouts.entries()) {
    flights[index]?.reject(timeout);
    await setImmediate();
  }

  expect(flights).toHaveLength(2);
  const errors = await Promise.allSettled(reads.map(({ answer }) => answer));
  const [first, second] = timeouts;
  expect(errors).toMatchObject([first, second, second, second].map((reason) => ({ reason })));
});

test.for([{ reason: new Error('The client left.') }, { reason: 'the client left' }])(
  "asks again when the shared query ended with $reason, for which another read's request was aborted",
  async ({ reason }) => {
    const { read, flights } = startService();
    const starting = new AbortController();
    const [starter, joiner] = [read('o1', { signal: starting.signal }), read('o1')];
    await spill(starter);
    await spill(joiner);

    starting.abort(reason);
    flights[0]?.reject(reason);
    await setImmediate();
    expect(flights).toHaveLength(2);
    flights[1]?.resolve(ROW);

    await expect(starter.answer).rejects.toBe(reason);
    expect(await joiner.answer).toBe(ROW);
  },
);

test.for([0, 1, 2, 3, 4, 5, 6])(
  'ends with its own abort, %i microtasks after the shared query ended with that of another read',
  async (ticks) => {
    const { read, flights } = startService();
    const [starting, joining] = [new AbortController(), new AbortController()];
    const starter = read('o1', { signal: starting.signal });
    const joiner = read('o1', { signal: joining.signal });
    await spill(starter);
    await spill(joiner);

    starting.abort('the client left');
    flights[0]?.reject('the client left');
    for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
    joining.abort('this one, too');

    await expect(joiner.answer).rejects.toBe('this one, too');
  },
);

test('gets the error of the shared query, although the request of the read that started it was aborted', async () => {
  const { read, flights } = startService();
  const starting = new AbortController();
  const [starter, joiner] = [read('o1', { signal: starting.signal }), read('o1')];
  await spill(starter);
  await spill(joiner);
  const error = new Error('The primary refused.');

  starting.abort('the client left');
  flights[0]?.reject(error);

  await expect(joiner.answer).rejects.toBe(error);
  expect(flights).toHaveLength(1);
});

test('ends with its own abort, and asks nobody again, while the shared query goes on', async () => {
  const { read, flights } = startService();
  const joining = new AbortController();
  const starter = read('o1');
  const joiner = read('o1', { signal: joining.signal });
  await spill(starter, joiner);

  joining.abort(new DOMException('Out of time.', 'TimeoutError'));

  await expect(joiner.answer).rejects.toBe(joining.signal.reason);
  expect(flights).toHaveLength(1);
});

test('a query that nobody waits for any more is aborted', async () => {
  const { read, flights } = startService();
  const [one, two] = [new AbortController(), new AbortController()];
  await spill(read('o1', { signal: one.signal }), read('o1', { signal: two.signal }));

  one.abort('the first to leave');
  await setImmediate();
  expect(flights[0]?.signal?.aborted).toBe(false);
  two.abort('the last to leave');
  await setImmediate();

  expect(flights[0]?.signal?.reason).toBe('the last to leave');
});

test.for([0, 1, 2, 3, 4, 5])(
  'a read never joins a query that is being aborted, %i microtasks after the miss',
  async (ticks) => {
    const { read, flights } = startService();
    const controller = new AbortController();
    const later = read('o1');
    await spill(read('o1', { signal: controller.signal }));

    later.miss();
    for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
    controller.abort();
    await setImmediate();

    flights.at(-1)?.resolve(ROW);
    expect(await later.answer).toBe(ROW);
  },
);

test.for(Array.from({ length: 16 }, (_, ticks) => ticks))(
  'a read never gets the reason of the last one to leave another query, %i microtasks after the miss',
  async (ticks) => {
    const { read, flights } = startService();
    const [starter, last] = [new AbortController(), new AbortController()];
    const later = read('o1');
    await spill(read('o1', { signal: starter.signal }), read('o1', { signal: last.signal }));
    starter.abort();
    await setImmediate();

    later.miss();
    for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
    last.abort('a reason of its own');
    await setImmediate();

    flights.at(-1)?.resolve(ROW);
    expect(await later.answer).toBe(ROW);
  },
);

test('a query that has ended is not aborted', async () => {
  const { read, flights } = startService();
  const reads = [read('o1'), read('o1')];
  await spill(...reads);

  flights[0]?.resolve(ROW);
  await answersOf(...reads);
  await setImmediate();

  expect(flights[0]?.signal?.aborted).toBe(false);
});

test('keeps nothing of a query that has ended', async () => {
  const { read, flights } = startService();
  const readOnce = async () => {
    const row = { id: 'o1' };
    const one = read('o1');
    await spill(one);
    flights.pop()?.resolve(row);
    await one.answer;
    return new WeakRef(row);
  };
  const row = await readOnce();

  await expect.poll(() => isGarbage(row)).toBe(true);
  expect(flights).toEqual([]); // The service is still there: it is not for its sake that the row is gone.
});

test('only the read that starts the query takes a spill out of the budget', async () => {
  const { read, flights } = startService();
  const primaryBudget = createPrimaryBudget({ ratio: 0, minPerSecond: 1 });
  const shared = [1, 2, 3].map(() => read('o1', { primaryBudget }));
  const other = read('o2', { primaryBudget });

  await spill(...shared, other);
  flights[0]?.resolve(ROW);

  expect(await answersOf(...shared)).toEqual([ROW, ROW, ROW]);
  await expect(other.answer).rejects.toBeInstanceOf(PrimaryBudgetExceededError);
  expect(flights).toHaveLength(1);
});

test('tells the reads that shared a query from the one that started it', async () => {
  const { read, flights } = startService();
  const { meter, collect } = inMemoryMetrics();
  const { reports, onOutcome } = recordReads();
  const reads = [1, 2, 3].map(() => read('o1', { meter, onOutcome }));

  await spill(...reads);
  flights[0]?.resolve(ROW);
  await answersOf(...reads);

  expect(reports.map(({ attempts, coalesced }) => [attempts, coalesced])).toEqual([
    [2, undefined],
    [2, true],
    [2, true],
  ]);
  const attributes = { outcome: 'primary', operation: 'order_by_id' };
  const counted = await collect();
  expect(counted['replica_fallback.coalesced']?.points).toEqual([[attributes, 2]]);
  expect(counted['replica_fallback.reads']?.points).toEqual([[attributes, 3]]);
});

test('tells that a read shared a query, although it was aborted before the answer', async () => {
  const { read, flights } = startService();
  const { reports, onOutcome } = recordReads();
  const controller = new AbortController();
  const first = read('o1');
  const second = read('o1', { signal: controller.signal, onOutcome });

  await spill(first, second);
  controller.abort();
  await expect(second.answer).rejects.toBe(controller.signal.reason);
  flights[0]?.resolve(ROW);

  expect(await first.answer).toBe(ROW);
  expect(reports).toMatchObject([{ outcome: 'error', attempts: 2, coalesced: true }]);
});

test.for([null, '', 5])('refuses %o for `coalesceKey`', async (bad) => {
  const { answer } = startService().read(bad as never);

  await expect(answer).rejects.toMatchObject({ option: 'coalesceKey', given: bad });
});

test('refuses a key without an operation, because another query may have the same key', async () => {
  const { answer } = startService().read('o1', { operation: undefined });

  await expect(answer).rejects.toThrow(
    'Expected `operation` to be given, as `coalesceKey` is, got undefined.',
  );
});

test('takes a key for a read whose operation is a default', async () => {
  const read = createReplicaFallback({ primary: {}, operation: 'order_by_id' });

  expect(await read(async () => ROW, { coalesceKey: 'o1' })).toBe(ROW);
});

/** Collects the garbage, and says whether this was some. */
function isGarbage(ref: WeakRef<object>): boolean {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return ref.deref() === undefined;
}
