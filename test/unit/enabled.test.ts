import {
  createReplicaFallback,
  InvalidOptionError,
  withReplicaFallback,
  withReplicaFallbackByKey,
} from 'kysely-replica-fallback';
import { createCatchUp } from 'kysely-replica-fallback/catch-up';
import { createCausalSession } from 'kysely-replica-fallback/postgres';
import { expect, test, vi } from 'vitest';
import { unhandledRejectionsOf } from '../support/unhandled-rejections.ts';

const clients = { primary: { name: 'primary' }, replica: { name: 'replica' } };
const nameOf = async (db: { name: string }) => db.name;

test('a function is asked once for each read, whatever it answered before', async () => {
  const enabled = vi.fn<() => boolean>(() => true).mockReturnValueOnce(false);
  const read = createReplicaFallback({ ...clients, enabled });
  expect(enabled).not.toHaveBeenCalled();

  expect(await read(nameOf)).toBe('primary');
  expect(await read(nameOf, { operation: 'name' })).toBe('replica');
  expect(
    await withReplicaFallback(async () => undefined, { ...clients, enabled, retryMs: 1 }),
  ).toBe(undefined);
  expect(enabled).toHaveBeenCalledTimes(3);
  expect(enabled).toHaveBeenCalledWith();
});

test('a read may override the switch, with a boolean or a function', async () => {
  const read = createReplicaFallback({ ...clients, enabled: () => true });

  expect(await read(nameOf, { enabled: false })).toBe('primary');
  expect(await read(nameOf, { enabled: () => false })).toBe('primary');
  expect(await createReplicaFallback({ ...clients, enabled: false })(nameOf)).toBe('primary');
  expect(
    await createReplicaFallback({ ...clients, enabled: false })(nameOf, { enabled: () => true }),
  ).toBe('replica');
});

test('a function switches reads by keys and those of sessions, too', async () => {
  const catchUp = createCatchUp<{ name: string }>({
    position: async () => '1',
    replayed: async () => '1',
    compare: () => 'reached',
    runAt: (replica, _position, query) => query(replica),
  });
  const enabled = vi.fn<() => boolean>(() => false);
  const read = createReplicaFallback({ ...clients, catchUp, enabled });
  const options = { ...clients, enabled, keyOf: ({ name }: { name: string }) => name };

  expect(await createCausalSession(read).read(nameOf)).toBe('primary');
  expect(
    await withReplicaFallbackByKey(['primary'], async (db: { name: string }) => [db], options),
  ).toEqual([clients.primary]);
  expect(enabled).toHaveBeenCalledTimes(2);
});

const reads = (enabled: () => boolean) => [
  () => createReplicaFallback({ ...clients, enabled })(nameOf),
  () => createReplicaFallback(clients)(nameOf, { enabled }),
  () => withReplicaFallback(nameOf, { ...clients, enabled }),
  () =>
    withReplicaFallbackByKey(['replica'], async (db) => [db], {
      ...clients,
      enabled,
      keyOf: ({ name }) => name,
    }),
];

test('what the function throws ends the read', async () => {
  const broken = new Error('No flags yet.');
  const fails = () => {
    throw broken;
  };

  for (const read of reads(fails)) await expect(read()).rejects.toBe(broken);
});

test.for<[string, () => unknown]>([
  ['undefined', () => undefined],
  ['text', () => 'false'],
  ['a number', () => 0],
  ['a promise', async () => false],
  ['a promise that rejects', () => Promise.reject(new Error('No flags yet.'))],
])('a function that returns %s is refused, because it would not switch', async ([, enabled]) => {
  const reasons = await unhandledRejectionsOf(async () => {
    for (const read of reads(enabled as () => boolean)) {
      const error: unknown = await read().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(InvalidOptionError);
      expect(error).toMatchObject({
        option: 'enabled',
        expected: 'a boolean, or a function that returns one',
      });
    }
  });
  expect(reasons).toEqual([]);
});
