import {
  anyOf,
  createReplicaFallback,
  InvalidOptionError,
  type ReadReport,
  withReplicaFallback,
} from 'kysely-replica-fallback';
import { walCatchUp } from 'kysely-replica-fallback/postgres';
import { recordReads } from 'kysely-replica-fallback/testing';
import { expect, test } from 'vitest';
import { ROW } from '../support/outcomes.ts';
import { AT_ONCE, gives, LADDER, misses, scriptClients } from '../support/scripted-clients.ts';

test('reads with the defaults alone', async () => {
  const { reports, onOutcome } = recordReads();
  const script = { replica: [misses, misses], primary: [gives(ROW)] };
  const { query, asked, clients } = scriptClients(script);

  const read = createReplicaFallback({ ...clients, retryMs: AT_ONCE, operation: 'o', onOutcome });

  expect(await read(query)).toBe(ROW);
  expect(asked).toEqual(LADDER);
  expect(reports).toMatchObject([{ operation: 'o', outcome: 'primary' }]);
});

test('lets an override take the place of a default, for one read', async () => {
  const operations: (string | undefined)[] = [];
  const { query, clients } = scriptClients({
    replica: [gives(1), gives(2), gives(3)],
  });
  const onOutcome = ({ operation }: ReadReport) => void operations.push(operation);
  const read = createReplicaFallback({ ...clients, operation: 'default', onOutcome });

  await read(query);
  await read(query, { operation: 'override' });
  await read(query);

  expect(operations).toEqual(['default', 'override', 'default']);
});

test('keeps a default when its override is `undefined`', async () => {
  const { query, asked, clients } = scriptClients({ primary: [gives(ROW)] });
  const read = createReplicaFallback({ ...clients, enabled: false });

  await read(query, { enabled: undefined, operation: 'o' });

  expect(asked).toEqual(['primary as primary']);
});

test('clears a default when its override is `null`, for one read', async () => {
  const { query, asked, clients } = scriptClients({
    replica: [misses],
    primary: [gives(ROW), gives(ROW), gives(ROW)],
  });
  const read = createReplicaFallback({ ...clients, retryMs: 0, enabled: false });

  await read(query);
  await read(query, { enabled: null });
  await read(query, { enabled: null, replica: null });

  expect(asked).toEqual([
    'primary as primary',
    'replica as replica',
    'primary as primary',
    'primary as primary',
  ]);
});

test.each([
  ['operation', { operation: 'o', coalesceKey: 'key' }, { operation: null }],
  ['catchUp', { catchUp: walCatchUp(), after: 'now' }, { catchUp: null }],
  ['primary', {}, { primary: null as never }],
])('does not clear `%s` where another option needs it', async (option, defaults, overrides) => {
  const { query, asked, clients } = scriptClients({});
  const read = createReplicaFallback<object>({ ...clients, ...defaults });

  await expect(read(query as never, overrides)).rejects.toMatchObject({
    constructor: InvalidOptionError,
    option,
  });
  expect(asked).toEqual([]);
});

test('lets an override bring what the defaults lack', async () => {
  const primary = { name: 'primary' };
  const transaction = { name: 'transaction' };
  const replica = { name: 'replica' };
  const read = createReplicaFallback({ primary });

  expect(await read(async (db) => db, { transaction })).toBe(transaction);
  expect(await read(async (db) => db, { replica })).toBe(replica);
  expect(await read(async (db) => db, {})).toBe(primary);
});

test('classifies by the `isMiss` of the override, not also by the default', async () => {
  const script = { replica: [gives([]), misses], primary: [gives(ROW)] };
  const { query, asked, clients } = scriptClients(script);
  const read = createReplicaFallback({ ...clients, retryMs: 0 });
  const isMiss = anyOf<unknown>((value) => Array.isArray(value));

  expect(await read(query, { isMiss })).toBe(ROW);
  expect(await read(query, { isMiss })).toBeUndefined();
  expect(asked).toEqual(['replica as replica', 'primary as primary', 'replica as replica']);
});

test('rejects a bad override without running the query', async () => {
  const { query, asked, clients } = scriptClients({});
  const read = createReplicaFallback(clients);

  await expect(read(query, { retryMs: -1 })).rejects.toThrow(InvalidOptionError);
  await expect(read(query, { retryMs: -1 })).rejects.toMatchObject({ option: 'retryMs' });
  expect(asked).toEqual([]);
});

test.for([null, 5, 'fast'])('rejects %o for the overrides', async (bad) => {
  const { query, asked, clients } = scriptClients({});
  const read = createReplicaFallback(clients);

  await expect(read(query, bad as never)).rejects.toMatchObject({ option: 'options', given: bad });
  expect(asked).toEqual([]);
});

test('rejects with what a getter of the options throws', async () => {
  const broken = new Error('The configuration is broken.');
  const { query, clients } = scriptClients({});
  const options = {
    ...clients,
    get enabled(): boolean {
      throw broken;
    },
  };

  await expect(withReplicaFallback(query, options)).rejects.toBe(broken);
  await expect(createReplicaFallback(clients)(query, options)).rejects.toBe(broken);
});

const neverRun = async () => expect.unreachable('The query ran.');

test('rejects with what a getter of the client throws', async () => {
  const broken = new Error('The client is not connected yet.');
  const primary = {
    get isTransaction(): boolean {
      throw broken;
    },
  };
  const options = { primary, replica: { isTransaction: false } };

  // A call that threw would end the test here.
  const reads = [
    withReplicaFallback(neverRun, options),
    createReplicaFallback(options)(neverRun),
    createReplicaFallback(options)(neverRun, {}),
  ];

  for (const read of reads) await expect(read).rejects.toBe(broken);
});

async function nameOf(db: { name: string }): Promise<string> {
  return db.name;
}

test('obeys options that come from a class', async () => {
  class Settings {
    readonly #clients;
    constructor(clients: { primary: { name: string }; replica: { name: string } }) {
      this.#clients = clients;
    }
    get primary() {
      return this.#clients.primary;
    }
    get replica() {
      return this.#clients.replica;
    }
    get enabled() {
      return false;
    }
  }
  const clients = { primary: { name: 'primary' }, replica: { name: 'replica' } };
  const settings = new Settings(clients);
  expect(await withReplicaFallback(nameOf, settings)).toBe('primary');
  expect(await createReplicaFallback(settings)(nameOf)).toBe('primary');
  expect(await createReplicaFallback(clients)(nameOf, settings)).toBe('primary');
});

test('reads each option once', async () => {
  const { query, clients } = scriptClients({ replica: [gives(ROW), gives(ROW)] });
  const reads: string[] = [];
  const options = new Proxy(clients, {
    get(target, name, receiver) {
      reads.push(String(name));
      return Reflect.get(target, name, receiver);
    },
  });

  await createReplicaFallback(clients)(query, options);

  expect(reads).toContain('retryMs');
  expect(reads).toHaveLength(new Set(reads).size);
});

test('rejects a query that is not a function', async () => {
  const read = createReplicaFallback({ primary: {} });

  await expect(read(undefined as never)).rejects.toMatchObject({ option: 'query' });
  await expect(read(undefined as never, {})).rejects.toMatchObject({ option: 'query' });
});

test('keeps the defaults as they were when it was made', async () => {
  const { query, asked, clients } = scriptClients({ replica: [gives(ROW), gives(ROW)] });
  const defaults = { ...clients, enabled: true };
  const read = createReplicaFallback(defaults);

  defaults.enabled = false;
  await read(query);
  await read(query, { operation: 'o' });

  expect(asked).toEqual(['replica as replica', 'replica as replica']);
});

test('leaves the defaults that it was given alone', async () => {
  const { query, clients } = scriptClients({ replica: [gives(ROW)] });
  const defaults = Object.freeze({ ...clients, operation: 'default' });

  await createReplicaFallback(defaults)(query, { operation: 'override' });

  expect(defaults).toEqual({ ...clients, operation: 'default' });
});

test('rejects where `createReplicaFallback` throws at once', async () => {
  const options = { primary: undefined } as never;

  expect(() => createReplicaFallback(options)).toThrow(InvalidOptionError);
  // A call that threw would end the test here.
  const read = withReplicaFallback(async () => 1, options);
  await expect(read).rejects.toThrow(InvalidOptionError);
});
