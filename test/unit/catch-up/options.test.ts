import {
  createReplicaFallback,
  InvalidOptionError,
  InvalidPositionError,
  withReplicaFallback,
} from 'kysely-replica-fallback';
import { createCatchUp } from 'kysely-replica-fallback/catch-up';
import { expect, test } from 'vitest';
import { fakeCluster } from '../../support/fake-cluster.ts';

const noop = () => {};
const A_CATCH_UP = 'a catch-up, by `walCatchUp()` or the like';

test.for([null, true, noop, {}, { runAt: noop, recover: noop }])(
  'refuses %o for `catchUp`',
  async (given) => {
    const { options, asked, find } = fakeCluster();
    const bad = { ...options, catchUp: given as never };

    await expect(withReplicaFallback(find('o1'), bad)).rejects.toMatchObject({
      name: 'InvalidOptionError',
      option: 'catchUp',
      expected: A_CATCH_UP,
      given,
    });
    expect(asked).toEqual([]);
    expect(() => createReplicaFallback(bad)).toThrow(InvalidOptionError);
  },
);

test.for(['position', 'replayed', 'compare', 'runAt'])(
  'refuses a source of positions without `%s`',
  (method) => {
    const source = { position: noop, replayed: noop, compare: noop, runAt: noop, [method]: 5 };

    expect(() => createCatchUp(source as never)).toThrow(
      `Expected \`source\` to be an object with the method \`${method}\``,
    );
    expect(() => createCatchUp(undefined as never)).toThrow(InvalidOptionError);
  },
);

test.for([null, 5, ['log-1'], {}])('refuses %o for `after`', async (given) => {
  const { options, asked, find } = fakeCluster();
  const bad = { ...options, after: given as never };

  await expect(withReplicaFallback(find('o1'), bad)).rejects.toMatchObject({
    name: 'InvalidOptionError',
    option: 'after',
    expected: "a position, or 'now'",
    given,
  });
  expect(asked).toEqual([]);
});

test.for(['log-1', 'now', 'nonsense'])('refuses `after: %o` without `catchUp`', async (after) => {
  const { options, asked, find } = fakeCluster();
  const bad = { ...options, catchUp: undefined, after };

  await expect(withReplicaFallback(find('o1'), bad)).rejects.toThrow(InvalidOptionError);
  expect(() => createReplicaFallback(bad)).toThrow(
    'Expected `catchUp` to be given, as `after` is, got undefined.',
  );
  expect(asked).toEqual([]);
});

/** What a client may send. */
test.for(['', 'nonsense', 'log-', "'; drop table orders", 'NOW', ' now', 'x'.repeat(1_000_000)])(
  'rejects with an InvalidPositionError when a client sends %.30o',
  async (after) => {
    const { options, asked, find, primary } = fakeCluster();
    const read = createReplicaFallback(options);

    const error: unknown = await read(find('o1'), { after }).catch((reason: unknown) => reason);

    expect(error).toBeInstanceOf(InvalidPositionError);
    expect(error).not.toBeInstanceOf(InvalidOptionError);
    expect(error).toMatchObject({ name: 'InvalidPositionError', given: after });
    expect((error as Error).message.length).toBeLessThan(200);
    expect(asked).toEqual([]);
    expect(primary.asked).toBe(0);
  },
);

test('takes a position as a default, and another one for one read', async () => {
  const { options, find, write, replay } = fakeCluster();
  const first = write('o1');
  replay();
  const second = write('o1');
  const read = createReplicaFallback({ ...options, after: first, retryMs: 0 });

  expect(await read(find('o1'))).toMatchObject({ version: 1 });
  expect(await read(find('o1'), { after: second })).toMatchObject({ version: 2 });
  expect(await read(find('o1'), { after: undefined })).toMatchObject({ version: 1 });
});

test.for<[string, (cluster: ReturnType<typeof fakeCluster>) => object]>([
  ['a transaction', ({ primary }) => ({ transaction: primary })],
  ['a primary that is one', ({ primary }) => Object.assign(primary, { isTransaction: true })],
  ['the switch', () => ({ enabled: false })],
  ['no replica', () => ({ replica: [] })],
  ['a replica that is the primary', ({ primary }) => ({ replica: primary })],
])('asks the primary alone, and not where it is, in a bypass by %s', async ([, bypassOf]) => {
  const cluster = fakeCluster();
  const { options, asked, find, write, primary, replica } = cluster;
  const position = write('o1');
  const bypass = bypassOf(cluster);
  const more = bypass === primary ? {} : bypass;

  for (const after of [undefined, position, 'log-999', 'other-1', 'now']) {
    const row = await withReplicaFallback(find('o1'), { ...options, after, ...more });
    expect(row).toMatchObject({ version: 1 });
    expect(asked.at(-1)).toBe('primary as primary');
  }
  expect(asked).toHaveLength(5);
  expect([primary.asked, replica.asked]).toEqual([0, 0]);
});

test('tells a client that it has sent no position in a bypass, too', async () => {
  const { options, find } = fakeCluster();
  const bad = { ...options, enabled: false, after: 'nonsense' };

  await expect(withReplicaFallback(find('o1'), bad)).rejects.toThrow(InvalidPositionError);
});
