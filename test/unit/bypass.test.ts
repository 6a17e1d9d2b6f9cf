import { getEventListeners } from 'node:events';
import { metrics } from '@opentelemetry/api';
import { type AttemptContext, attempted, withReplicaFallback } from 'kysely-replica-fallback';
import { recordReads } from 'kysely-replica-fallback/testing';
import { expect, onTestFinished, test, vi } from 'vitest';
import { dummyKysely } from '../support/dummy-kysely.ts';
import { stopTheClock } from '../support/fake-clock.ts';
import { registerInMemoryMetrics } from '../support/in-memory-metrics.ts';
import { spanEventsOf } from '../support/in-memory-span.ts';
import { ROW } from '../support/outcomes.ts';
import { recordingLogger } from '../support/recording-logger.ts';

interface Client {
  readonly name: string;
  readonly isTransaction?: boolean;
}
const primary: Client = { name: 'primary', isTransaction: false };
const replica: Client = { name: 'replica', isTransaction: false };
const transaction: Client = { name: 'transaction', isTransaction: true };

const bypasses = [
  {
    why: '`transaction` is given',
    options: { primary, replica, transaction },
    client: transaction,
  },
  { why: '`transaction` is given alone', options: { primary, transaction }, client: transaction },
  {
    why: '`enabled` is false in a transaction',
    options: { primary, replica, transaction, enabled: false },
    client: transaction,
  },
  {
    why: '`primary` is a transaction',
    options: { primary: transaction, replica },
    client: transaction,
  },
  { why: '`enabled` is false', options: { primary, replica, enabled: false }, client: primary },
  { why: 'there is no replica', options: { primary }, client: primary },
  { why: '`replica` is `primary`', options: { primary, replica: primary }, client: primary },
];

test.for(bypasses)('runs the query once, on the right client, when $why', async (bypass) => {
  const runs: [Client, AttemptContext][] = [];
  const read = withReplicaFallback(async (db, context) => {
    runs.push([db, context]);
    return ROW;
  }, bypass.options);

  expect(await read).toBe(ROW);
  expect(runs).toEqual([[bypass.client, { source: 'primary', signal: undefined }]]);
  expect(runs[0]?.[0]).toBe(bypass.client);
});

test("recognises Kysely's own transactions", async () => {
  const db = dummyKysely();

  await db.transaction().execute(async (trx: typeof db) => {
    const read = withReplicaFallback(async (client) => client, { primary: trx, replica: db });
    expect(await read).toBe(trx);
  });
});

function neverAsked(): never {
  throw new Error('Somebody was asked.');
}

test.for([
  { what: 'undefined', value: undefined },
  { what: 'null', value: null },
])('returns $what in a bypass, and asks no classifier about it', async ({ value }) => {
  const options = { primary, replica, enabled: false, isMiss: neverAsked };

  expect(await withReplicaFallback(async () => value, options)).toBe(value);
});

test.for(['rejects with', 'throws at once'])(
  'rethrows what a query %s in a bypass',
  async (how) => {
    const error = new TypeError('not found');
    let runs = 0;
    const query = () => {
      runs++;
      if (how === 'throws at once') throw error;
      return Promise.reject(error);
    };

    const read = withReplicaFallback(query, { primary, isMiss: attempted(() => true) });

    await expect(read).rejects.toBe(error);
    expect(runs).toBe(1);
  },
);

test.for(bypasses)('counts, logs and reports nothing when $why', async ({ options }) => {
  const { collect } = registerInMemoryMetrics();
  onTestFinished(() => metrics.disable());
  const logger = recordingLogger();
  const { reports, onOutcome } = recordReads();
  const watched = {
    ...options,
    logger,
    onOutcome,
    retryMs: { delays: () => [0], settle: onOutcome },
  };

  const events = await spanEventsOf(async () => {
    await withReplicaFallback(async () => undefined, watched);
    await withReplicaFallback(() => Promise.reject(new Error('down')), watched).catch(() => {});
  });

  expect(await collect()).toEqual({});
  expect(logger.lines).toEqual([]);
  expect(reports).toEqual([]);
  expect(events).toEqual([]);
});

test('sets no timer in a bypass', async () => {
  stopTheClock();

  const read = withReplicaFallback(async () => undefined, { primary, retryMs: 1000 });

  expect(vi.getTimerCount()).toBe(0);
  await read;
  expect(vi.getTimerCount()).toBe(0);
});

test('hands the very signal on in a bypass', async () => {
  const { signal } = new AbortController();
  const read = withReplicaFallback(async (_db, context) => context.signal, { primary, signal });

  expect(await read).toBe(signal);
});

test.for(bypasses)(
  'ends with the reason when the signal aborts, although the query goes on, when $why',
  async ({ options }) => {
    const controller = new AbortController();
    const read = withReplicaFallback(() => new Promise(() => {}), {
      ...options,
      signal: controller.signal,
    });

    controller.abort('out of time');

    await expect(read).rejects.toBe('out of time');
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  },
);

test('runs no query in a bypass when the signal aborted before', async () => {
  const signal = AbortSignal.abort('out of time');
  let runs = 0;

  const read = withReplicaFallback(async () => runs++, { primary, signal });

  await expect(read).rejects.toBe('out of time');
  expect(runs).toBe(0);
});

test('takes two equal clients for two, because only identity is compared', async () => {
  const sources: string[] = [];
  const query = async (db: Client, { source }: AttemptContext) => {
    sources.push(`${db.name} as ${source}`);
    return ROW;
  };

  await withReplicaFallback(query, { primary, replica: { ...primary } });

  expect(sources).toEqual(['primary as replica']);
});

test.for([{ enabled: true }, { enabled: undefined }, { transaction: undefined }])(
  'is no bypass with %o',
  async (options) => {
    const read = withReplicaFallback(async (db) => db, { primary, replica, ...options });

    expect(await read).toBe(replica);
  },
);

test('is no bypass when only the replica says that it is a transaction', async () => {
  const read = withReplicaFallback(async (db) => db, { primary, replica: transaction });

  expect(await read).toBe(transaction);
});
