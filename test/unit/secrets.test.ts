import {
  attempted,
  createPrimaryBudget,
  createReplicaFallback,
  withReplicaFallback,
} from 'kysely-replica-fallback';
import { createCatchUp } from 'kysely-replica-fallback/catch-up';
import { createCausalSession, walCatchUp } from 'kysely-replica-fallback/postgres';
import { laggingReplica } from 'kysely-replica-fallback/testing';
import { expect, test } from 'vitest';
import { dummyKysely } from '../support/dummy-kysely.ts';
import { printed } from '../support/printed.ts';

const SECRET = 'hunter2';
const CONNECTION_STRING = `postgres://service:${SECRET}@db.example/orders`;

test.for([
  'primary',
  'replica',
  'pickReplica',
  'transaction',
  'enabled',
  'isMiss',
  'isUnavailable',
  'replicaTimeoutMs',
  'retryMs',
  'primaryBudget',
  'signal',
  'meter',
  'logger',
  'onOutcome',
])('prints nothing of a string that was given as `%s`', async (option) => {
  const options = { primary: {}, replica: {}, [option]: CONNECTION_STRING } as never;

  const error: unknown = await withReplicaFallback(async () => 1, options).catch((e) => e);

  expect(error).toMatchObject({ option, given: CONNECTION_STRING });
  expect(printed(error)).toContain(`Expected \`${option}\` to be`);
  expect(printed(error)).not.toContain(SECRET);
});

test.for([
  { option: 'retryMs.max', options: { retryMs: { max: CONNECTION_STRING } } },
  { option: 'retryMs.min', options: { retryMs: { min: CONNECTION_STRING, max: 9 } } },
  {
    option: 'retryMs.settle',
    options: { retryMs: { delays: () => [], settle: CONNECTION_STRING } },
  },
  { option: 'retryMs.delays()', options: { retryMs: { delays: () => CONNECTION_STRING } } },
  { option: 'retryMs.delays()', options: { retryMs: { delays: () => [CONNECTION_STRING] } } },
])('prints nothing of a string in $options that was given as `$option`', async (mistake) => {
  const options = { primary: {}, replica: {}, ...mistake.options } as never;

  const error: unknown = await withReplicaFallback(async () => undefined, options).catch((e) => e);

  expect(error).toMatchObject({ option: mistake.option, given: CONNECTION_STRING });
  expect(printed(error)).not.toContain(SECRET);
});

test.for([
  { what: 'createReplicaFallback(options)', option: 'options', take: createReplicaFallback },
  { what: 'createPrimaryBudget(options)', option: 'options', take: createPrimaryBudget },
  {
    what: 'laggingReplica(client, options)',
    option: 'options',
    take: (given: never) => laggingReplica(dummyKysely(), given),
  },
  {
    what: 'laggingReplica(client)',
    option: 'client',
    take: (given: never) => laggingReplica(given, { tables: [] }),
  },
  { what: 'createCausalSession(read)', option: 'read', take: createCausalSession },
  {
    what: 'createCausalSession(read, options)',
    option: 'options',
    take: (given: never) =>
      createCausalSession(
        createReplicaFallback({ primary: dummyKysely(), catchUp: walCatchUp() }),
        given,
      ),
  },
  { what: 'walCatchUp(options)', option: 'options', take: walCatchUp },
  { what: 'createCatchUp(source)', option: 'source', take: createCatchUp },
])('prints nothing of a string that was given as the last one in $what', ({ option, take }) => {
  let error: unknown;
  try {
    take(CONNECTION_STRING as never);
  } catch (thrown) {
    error = thrown;
  }

  expect(error).toMatchObject({ option, given: CONNECTION_STRING });
  expect(printed(error)).not.toContain(SECRET);
});

test.for([
  { what: 'an object', given: { connectionString: CONNECTION_STRING } },
  { what: 'a list', given: [CONNECTION_STRING] },
])('prints nothing of what is in $what that was given instead of a budget', ({ given }) => {
  let error: unknown;
  try {
    createReplicaFallback({ primary: {}, primaryBudget: given as never });
  } catch (thrown) {
    error = thrown;
  }

  expect(error).toMatchObject({ option: 'primaryBudget', given });
  expect(printed(error)).not.toContain(SECRET);
});

test('prints nothing of a query that is text', async () => {
  const query = `select * from users where password = '${SECRET}'`;

  const error: unknown = await withReplicaFallback(query as never, { primary: {} }).catch((e) => e);

  expect(error).toMatchObject({ option: 'query' });
  expect(printed(error)).not.toContain(SECRET);
});

test.for([
  { what: 'the row that was a miss', answer: async () => ({ id: 1, token: SECRET }) },
  {
    what: 'the error that was a miss',
    answer: async () => Promise.reject(Object.assign(new Error('no result'), { node: SECRET })),
  },
])('prints nothing of $what when the budget rejects the read', async ({ answer }) => {
  const error: unknown = await withReplicaFallback<object, unknown>(answer, {
    primary: {},
    replica: {},
    isMiss: attempted(() => true),
    retryMs: 0,
    primaryBudget: createPrimaryBudget({ ratio: 0, minPerSecond: 0 }),
  }).catch((e: unknown) => e);

  expect(error).toMatchObject({ name: 'PrimaryBudgetExceededError' });
  expect(
    JSON.stringify((error as { attempt: { value?: unknown; error?: unknown } }).attempt),
  ).toContain('replica');
  expect(printed(error)).not.toContain(SECRET);
});
