import { diag } from '@opentelemetry/api';
import type { ReplicaFallbackOptions } from 'kysely-replica-fallback';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { recordDiagnostics } from '../support/recording-diagnostics.ts';

// A copy of its own, because what it has warned of is remembered for the whole process.
vi.resetModules();
const {
  anyOf,
  attempted,
  createReplicaFallback,
  noRow,
  noRows,
  returned,
  thrown,
  withReplicaFallback,
} = await import('kysely-replica-fallback');
const { createCatchUp } = await import('kysely-replica-fallback/catch-up');

type Options = Partial<ReplicaFallbackOptions<object, unknown>>;

afterEach(() => diag.disable());

const clients = { primary: { name: 'primary' }, replica: { name: 'replica' } };
const caughtUp = createCatchUp<object>({
  position: async () => '1',
  replayed: async () => '1',
  compare: () => 'reached',
  runAt: (replica, _position, query) => query(replica),
});
let operations = 0;

/** The warnings about a read of an operation that was never read before. */
async function warningsOf(answer: unknown, options: Options = {}): Promise<string[]> {
  const warnings = recordDiagnostics('warn');
  const operation = `operation_${++operations}`;
  await withReplicaFallback(async () => answer, { ...clients, retryMs: 0, operation, ...options });
  return warnings.map(String);
}

describe('diag hears of a read that nothing protects, whose answer is', () => {
  test.for<[string, unknown]>([
    ['an array', []],
    ['an array', [{ id: 'secret' }]],
    ['a number', 41_235],
    ['a bigint', 41_235n],
    ['a boolean', false],
    ['a result with `rows`', { rows: [] }],
    ['an object', new Map()],
    ['an object', new Set(['secret'])],
  ])('%s: %o', async ([what, answer]) => {
    const [warning, ...others] = await warningsOf(answer);

    expect(warning).toContain(`\`operation_${operations}\``);
    expect(warning).toContain(what);
    expect(warning).not.toMatch(/secret|41235/);
    expect(others).toEqual([]);
  });

  test.for<[string, unknown, ReplicaFallbackOptions<object, never>['isMiss']]>([
    ['a list, and `isMiss` is `noRow`', [], noRow],
    ['a list, and `isMiss` finds no row, or an error', [], anyOf(noRow, thrown(RangeError))],
    ['a row, and `isMiss` is `noRows`', { id: 'secret' }, noRows],
    ['nothing, and `isMiss` is `noRows`', undefined, noRows],
    ['a count, and `isMiss` is about rows', 0, anyOf(noRow, noRows)],
  ])('%s', async ([, answer, isMiss]) => {
    expect(await warningsOf(answer, { isMiss } as Options)).toHaveLength(1);
  });
});

describe('diag hears nothing of', () => {
  test.for<[string, unknown, Options]>([
    ['a row', { id: 'o1' }, {}],
    ['a row that is not there', undefined, {}],
    ['text', 'paid', {}],
    ['a list with `noRows`', [1], { isMiss: noRows } as Options],
    ['a result with `noRows`', { rows: [1] }, { isMiss: noRows } as Options],
    ['a list with a function', [], { isMiss: () => false }],
    ['a list with `returned`', [], { isMiss: returned(() => false) }],
    ['a list with `attempted`', [], { isMiss: attempted(() => false) }],
    ['a list with `thrown`', [], { isMiss: thrown(RangeError) }],
    ['a list with one of them', [], { isMiss: anyOf(noRow, () => false) }],
    ['a list with `after`', [], { catchUp: caughtUp, after: '1' }],
    ["a list after 'now'", [], { catchUp: caughtUp, after: 'now' }],
    ['a bypass', [], { enabled: false }],
  ])('%s', async ([, answer, options]) => {
    expect(await warningsOf(answer, options)).toEqual([]);
  });
});

test('an answer that cannot be looked at comes back all the same', async () => {
  const entity = {
    get rows(): never {
      throw new Error('not loaded');
    },
  };

  expect(await withReplicaFallback(async () => entity, clients)).toBe(entity);
});

test('hears once of each operation, and of all reads without a name', async () => {
  const warnings = recordDiagnostics('warn');
  const read = createReplicaFallback(clients);

  for (const operation of ['list', 'list', undefined, 'count', undefined, 'list']) {
    await read(async () => [], { operation });
  }

  expect(warnings.map(String)).toEqual([
    expect.stringContaining('`list`'),
    expect.stringContaining('without an `operation`'),
    expect.stringContaining('`count`'),
  ]);
});

test('a service whose reads have a default `isMiss` hears of its lists, too', async () => {
  const warnings = recordDiagnostics('warn');
  const read = createReplicaFallback({ ...clients, isMiss: anyOf(noRow, thrown(RangeError)) });

  await read(async () => [], { operation: 'by_default' });
  await read(async () => [], { operation: 'by_override', isMiss: noRows });

  expect(warnings).toHaveLength(1);
});

test('remembers no more than 1,000 operations, and is silent about the others', async () => {
  const warnings = recordDiagnostics('warn');
  const read = createReplicaFallback(clients);

  for (let id = 0; id < 1_100; id++) await read(async () => [], { operation: `read_of_${id}` });

  expect(warnings.length).toBeGreaterThan(900);
  expect(warnings.length).toBeLessThanOrEqual(1_000);
});
