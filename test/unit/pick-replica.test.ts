import {
  createReplicaFallback,
  InvalidOptionError,
  type ReplicaFallbackOptions,
  withReplicaFallback,
  withReplicaFallbackByKey,
} from 'kysely-replica-fallback';
import { createCatchUp } from 'kysely-replica-fallback/catch-up';
import { recordReads } from 'kysely-replica-fallback/testing';
import { describe, expect, test } from 'vitest';
import { inMemoryMetrics } from '../support/in-memory-metrics.ts';
import { recordingLogger } from '../support/recording-logger.ts';
import { AT_ONCE } from '../support/scripted-clients.ts';

interface Server {
  readonly name: string;
}

const primary: Server = { name: 'primary' };
const a: Server = { name: 'a' };
const b: Server = { name: 'b' };
const c: Server = { name: 'c' };
const down = new Error('This replica is down.');
const isUnavailable = (error: unknown): boolean => error === down;

const THRICE = { delays: () => [0, 0, 0] };
const pickNone = () => undefined;
const neverAsk = () => expect.unreachable('It asked a server.');
const mistake = new Error('no such zone');
const fail = () => {
  throw mistake;
};
const isMistake = (error: unknown) => error === mistake;
const isInvalidOption = (error: unknown) => error instanceof InvalidOptionError;
const catchUp = createCatchUp<Server>({
  position: neverAsk,
  replayed: neverAsk,
  compare: neverAsk,
  runAt: neverAsk,
});
const neverPick = () => expect.unreachable('It was called.');

/** Picks the last one, and remembers what it was given. */
function pickLast() {
  const given: string[] = [];
  const pickReplica = (replicas: readonly Server[]): Server | undefined => {
    given.push(replicas.map(({ name }) => name).join(' '));
    return replicas.at(-1);
  };
  return { given, pickReplica };
}

test('asks the replica that was picked, and only that one when it has the row', async () => {
  const { given, pickReplica } = pickLast();
  const read = createReplicaFallback({ primary, replica: [a, b, c], pickReplica });

  for (let i = 0; i < 20; i++) expect(await read(async (db) => db)).toBe(c);

  expect(new Set(given)).toEqual(new Set(['a b c']));
});

test('picks one of the others after a miss', async () => {
  const { given, pickReplica } = pickLast();
  const asked: string[] = [];

  await withReplicaFallback(
    async ({ name }) => {
      asked.push(name);
      return name === 'primary' ? name : undefined;
    },
    { primary, replica: [a, b, c], pickReplica, retryMs: AT_ONCE },
  );

  expect(asked).toEqual(['c', 'b', 'primary']);
  expect(given).toEqual(['a b c', 'a b']);
});

test('picks one after another while they fail', async () => {
  const { given, pickReplica } = pickLast();
  const asked: string[] = [];

  await withReplicaFallback(
    async ({ name }) => {
      asked.push(name);
      if (name !== 'primary') throw down;
      return name;
    },
    { primary, replica: [a, b, c], pickReplica, isUnavailable },
  );

  expect(asked).toEqual(['c', 'b', 'a', 'primary']);
  expect(given).toEqual(['a b c', 'a b', 'a']);
});

test('is given a replica twice that is listed twice, and not the primary', async () => {
  const { given, pickReplica } = pickLast();

  await withReplicaFallback(async (db) => db, {
    primary,
    replica: [a, primary, b, b],
    pickReplica,
  });

  expect(given).toEqual(['a b b']);
});

test('is given a replica twice that is listed twice, after a miss, too', async () => {
  const { given, pickReplica } = pickLast();

  await withReplicaFallback(async (db) => (db === primary ? db : undefined), {
    primary,
    replica: [b, b, c, a],
    pickReplica,
    retryMs: { delays: () => [0, 0] },
  });

  expect(given).toEqual(['b b c a', 'b b c', 'b b']);
});

test('asks one at random when nothing was picked', async () => {
  const asked = new Set<Server>();
  const read = createReplicaFallback({ primary, replica: [a, b, c], pickReplica: pickNone });

  for (let i = 0; i < 200; i++) asked.add(await read(async (db) => db));

  expect(asked).toEqual(new Set([a, b, c]));
});

test('asks the same replica again when no other is left to pick', async () => {
  const { given, pickReplica } = pickLast();
  const asked: string[] = [];

  await withReplicaFallback(
    async ({ name }) => {
      asked.push(name);
      return name === 'primary' ? name : undefined;
    },
    { primary, replica: [a, b], pickReplica, retryMs: THRICE },
  );

  expect(asked).toEqual(['b', 'a', 'a', 'a', 'primary']);
  expect(given).toEqual(['a b', 'a']);
});

test.for([
  { situation: 'there is one replica', options: { replica: a } },
  { situation: 'there is none', options: {} },
  { situation: 'the list has none but the primary', options: { replica: [primary] } },
  { situation: 'the read is not enabled', options: { replica: [a, b], enabled: false } },
  { situation: 'the read runs in a transaction', options: { replica: [a, b], transaction: c } },
])('is not called when $situation', async ({ options }) => {
  const clients = { primary, ...options };

  const read = withReplicaFallback(async (db) => db, { ...clients, pickReplica: neverPick });

  await expect(read).resolves.toBeDefined();
});

test('overrides the default', async () => {
  const read = createReplicaFallback({ primary, replica: [a, b], pickReplica: () => a });

  expect(await read(async (db) => db)).toBe(a);
  expect(await read(async (db) => db, { pickReplica: () => b })).toBe(b);
});

test.for([
  { what: 'another client', picked: { name: 'other' } },
  { what: 'the primary', picked: primary },
  { what: 'null', picked: null },
])('refuses $what', async ({ picked }) => {
  const pickReplica = () => picked as Server;
  const read = withReplicaFallback(async (db) => db, { primary, replica: [a, b], pickReplica });

  await expect(read).rejects.toMatchObject({
    name: 'InvalidOptionError',
    option: 'pickReplica',
    expected: 'a function that returns one of the replicas that it is given',
    given: picked,
  });
});

test('refuses a replica that the read has asked already', async () => {
  const { reports, onOutcome } = recordReads();
  const pickReplica = () => a;

  const read = withReplicaFallback(async () => undefined, {
    primary,
    replica: [a, b],
    pickReplica,
    retryMs: AT_ONCE,
    onOutcome,
  });

  await expect(read).rejects.toMatchObject({ option: 'pickReplica', given: a });
  expect(reports).toMatchObject([{ outcome: 'error', attempts: 1 }]);
});

test.for([
  { thrown: 'no such zone' },
  { thrown: undefined },
  { thrown: new TypeError('no such zone') },
])('rejects with what it throws before a retry, such as $thrown', async ({ thrown }) => {
  const { reports, onOutcome } = recordReads();
  const pickReplica = ([first, ...others]: readonly Server[]) => {
    if (others.length === 0) throw thrown;
    return first;
  };

  const read = withReplicaFallback(async () => undefined, {
    primary,
    replica: [a, b],
    pickReplica,
    retryMs: AT_ONCE,
    onOutcome,
  });

  expect(await read.catch((error: unknown) => ({ error }))).toStrictEqual({ error: thrown });
  expect(reports).toStrictEqual([expect.objectContaining({ outcome: 'error', error: thrown })]);
});

/** Starts a read in each way that there is. */
const starters: [string, (options: ReplicaFallbackOptions<Server, unknown>) => Promise<unknown>][] =
  [
    ['withReplicaFallback', (options) => withReplicaFallback(neverAsk, options)],
    ['createReplicaFallback', (options) => createReplicaFallback(options)(neverAsk)],
    [
      'an override',
      ({ primary: db, ...rest }) => createReplicaFallback({ primary: db })(neverAsk, rest),
    ],
    [
      'withReplicaFallbackByKey',
      (options) => withReplicaFallbackByKey(['o1'], neverAsk, { ...options, keyOf: () => 'o1' }),
    ],
  ];

describe.for(starters)('for the first attempt of %s', ([, start]) => {
  test.for([
    { what: 'throws', given: { pickReplica: fail }, isExpected: isMistake },
    {
      what: 'throws, and the answer has to be new',
      given: { pickReplica: fail, catchUp, after: 'now' },
      isExpected: isMistake,
    },
    {
      what: 'gives a stranger',
      given: { pickReplica: () => primary },
      isExpected: isInvalidOption,
    },
    {
      what: 'is not asked, because `enabled` throws',
      given: { enabled: fail },
      isExpected: isMistake,
    },
    {
      what: 'is not asked, because `enabled` gives text',
      given: { enabled: () => 'no' as never },
      isExpected: isInvalidOption,
    },
  ])(
    'it $what: reported, logged and counted, as any read that fails',
    async ({ given, isExpected }) => {
      const { reports, onOutcome } = recordReads();
      const logger = recordingLogger();
      const metrics = inMemoryMetrics();
      const { meter } = metrics;
      const options = { replica: [a, b], operation: 'orders', onOutcome, logger, meter, ...given };

      const error: unknown = await start({ primary, ...options }).catch(
        (thrown: unknown) => thrown,
      );

      expect(error).toSatisfy(isExpected);
      const [report] = reports;
      expect(reports).toStrictEqual([
        {
          operation: 'orders',
          outcome: 'error',
          attempts: 0,
          durationMs: expect.any(Number),
          error,
        },
      ]);
      expect(report?.error).toBe(error);
      expect(logger.lines).toEqual([{ level: 'error', message: 'A read failed.', fields: report }]);
      expect(await metrics.collect()).toStrictEqual({
        'replica_fallback.reads': {
          unit: '{read}',
          points: [[{ outcome: 'error', operation: 'orders' }, 1]],
        },
      });
    },
  );
});
