import { PassThrough, Stream } from 'node:stream';
import { sql } from 'kysely';
import { attempted, InvalidOptionError, withReplicaFallback } from 'kysely-replica-fallback';
import { recordReads } from 'kysely-replica-fallback/testing';
import { expect, test } from 'vitest';
import { dummyKysely } from '../support/dummy-kysely.ts';
import { AT_ONCE } from '../support/scripted-clients.ts';
import { unhandledRejectionsOf } from '../support/unhandled-rejections.ts';

const EXPECTED = 'a function that returns a promise, by `.execute()` or the like';
const primary = dummyKysely();
const replica = dummyKysely();
const builder = primary.selectFrom('orders').selectAll();
const raw = sql`select 1`;

const clients = [
  { where: 'on the replica', options: { primary, replica } },
  { where: 'in a bypass', options: { primary } },
];
function onEachClient<T>(rows: T[]) {
  return clients.flatMap((on) => rows.map((row) => ({ on, row })));
}

test.for(
  onEachClient([
    { what: 'undefined', query: undefined },
    { what: 'a string', query: 'select 1' },
    { what: 'a promise', query: Promise.resolve(1) },
    { what: 'a builder', query: builder },
  ]),
)('refuses $row.what for a query $on.where', async ({ on: { options }, row: { query } }) => {
  const read = withReplicaFallback(query as never, { ...options, isMiss: attempted(() => true) });

  await expect(read).rejects.toBeInstanceOf(InvalidOptionError);
  await expect(read).rejects.toMatchObject({ option: 'query', expected: EXPECTED });
  await expect(read).rejects.toHaveProperty('given', query);
});

test.for(
  onEachClient([
    { what: 'returns undefined', answer: () => undefined, given: undefined },
    { what: 'returns null', answer: () => null, given: null },
    { what: 'returns a number', answer: () => 5, given: 5 },
    { what: 'returns a builder', answer: () => builder, given: builder },
    { what: 'returns raw `sql`', answer: () => raw, given: raw },
    {
      what: 'is async and returns a builder',
      answer: async () => builder,
      given: builder,
    },
    { what: 'is async and returns raw `sql`', answer: async () => raw, given: raw },
    ...[
      { what: "Kysely's `stream()`", stream: builder.stream() },
      { what: 'an async generator', stream: (async function* () {})() },
      { what: 'an async iterable', stream: { [Symbol.asyncIterator]: () => {} } },
      { what: 'a stream of Node.js', stream: new PassThrough() },
      { what: 'an old stream of Node.js', stream: new Stream() },
      { what: 'a stream of the web', stream: new ReadableStream() },
      { what: "pg's cursor", stream: { submit() {}, read() {}, close() {} } },
    ].flatMap(({ what, stream }) => [
      { what: `returns ${what}`, answer: () => stream, given: stream },
      { what: `is async and returns ${what}`, answer: async () => stream, given: stream },
    ]),
  ]),
)('refuses a query that $row.what $on.where, and runs it once', async ({ on, row }) => {
  let runs = 0;
  const query = () => {
    runs++;
    return row.answer() as Promise<unknown>;
  };
  const options = { ...on.options, isMiss: attempted(() => true), retryMs: AT_ONCE };

  const read = withReplicaFallback(query, options);

  await expect(read).rejects.toBeInstanceOf(InvalidOptionError);
  await expect(read).rejects.toMatchObject({ option: 'query', expected: EXPECTED });
  await expect(read).rejects.toHaveProperty('given', row.given);
  expect(runs).toBe(1);
});

test('says what to do about a builder that was not executed', async () => {
  const read = withReplicaFallback(() => builder as never, { primary, replica });

  await expect(read).rejects.toThrow(
    `Expected \`query\` to be ${EXPECTED}, got an instance of SelectQueryBuilderImpl.`,
  );
});

test('says what is wrong with a stream', async () => {
  const read = withReplicaFallback(async () => builder.stream(), { primary, replica });

  await expect(read).rejects.toThrow(
    `Expected \`query\` to be ${EXPECTED}, got a stream, which would be read when the read has ended.`,
  );
});

test('a stream of Node.js that is refused is destroyed, and ends no process', async () => {
  const stream = new PassThrough();

  await withReplicaFallback(async () => stream, { primary, replica }).catch(() => {});

  expect(stream.destroyed).toBe(true);
  expect(() => stream.emit('error', new Error('The connection was lost.'))).not.toThrow();
});

test.for([
  { what: 'a row with columns that are called like methods', row: { pipe: 'west', submit: true } },
  { what: 'a row that holds a stream', row: { content: new PassThrough() } },
  { what: 'a list of iterables', row: [new Map(), new Set()] },
])('takes $what', async ({ row }) => {
  expect(await withReplicaFallback<object, object>(async () => row, { primary, replica })).toBe(
    row,
  );
});

test('reports a builder that was not executed as an error', async () => {
  const { reports, onOutcome } = recordReads();

  await withReplicaFallback(async () => builder, { primary, replica, onOutcome }).catch(() => {});

  expect(reports).toMatchObject([{ outcome: 'error', attempts: 1, failedDuring: 'replica' }]);
});

test.for([
  { on: 'on the replica', options: { replica } },
  { on: 'within a time', options: { replica, replicaTimeoutMs: 1000 } },
  { on: 'until a signal aborts', options: { replica, signal: new AbortController().signal } },
  { on: 'in a bypass', options: {} },
])('takes a thenable whose `then` returns nothing, as `await` does, $on', async ({ options }) => {
  const thenable = {
    // oxlint-disable-next-line unicorn/no-thenable
    then: (resolve: (row: string) => void) => void setTimeout(resolve, 1, 'row'),
  };

  const read = withReplicaFallback(() => thenable as never, { primary, ...options });

  expect(read).toBeInstanceOf(Promise);
  expect(await read).toBe('row');
});

test.for([undefined, new AbortController().signal])(
  'runs a thenable that is no promise, such as a Drizzle query, once, with %o for a signal',
  async (signal) => {
    let runs = 0;
    const lazy = {
      // oxlint-disable-next-line unicorn/no-thenable
      then(...callbacks: Parameters<Promise<string>['then']>) {
        runs++;
        return Promise.resolve('row').then(...callbacks);
      },
    };

    const read = withReplicaFallback(() => lazy as never, { primary, replica, signal });

    expect(await read).toBe('row');
    expect(runs).toBe(1);
  },
);

const fails = () => Promise.reject(new Error('nobody waits for it'));

test.for<{ what: string; options: object }>([
  { what: '`isMiss`', options: { isMiss: fails } },
  { what: '`pickReplica`', options: { pickReplica: fails } },
  {
    what: '`primaryBudget.withdraw`',
    options: { primaryBudget: { deposit() {}, withdraw: fails } },
  },
])(
  'a promise for $what is refused, and what it rejects with ends no process',
  async ({ options }) => {
    const read = () =>
      withReplicaFallback<object, unknown>(async () => undefined, {
        primary,
        replica: [replica, replica],
        retryMs: 0,
        ...options,
      });

    const reasons = await unhandledRejectionsOf(async () => {
      await expect(read()).rejects.toBeInstanceOf(InvalidOptionError);
    });

    expect(reasons).toEqual([]);
  },
);
