import type { Kysely } from 'kysely';
import { InvalidOptionError } from 'kysely-replica-fallback';
import {
  createSnapshotsSince,
  createSnapshotTables,
  getSnapshotsSince,
  type SnapshotsSince,
  type SnapshotsSinceOptions,
  type SnapshotTables,
} from 'kysely-replica-fallback/snapshots';
import { describe, expect, test } from 'vitest';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { addSnapshots, outline } from '../../support/snapshot-fixtures.ts';
import { watch } from '../../support/watch.ts';

const database = await replicatedDatabase<SnapshotTables>(createSnapshotTables);
await database.holdBack();
await database.write(addSnapshots('run', 'a', 'b'));

type Options = Partial<SnapshotsSinceOptions<Kysely<SnapshotTables>>>;

describe('snapshots since', () => {
  const question = { runId: 'run', snapshotId: 'a' };

  test.for<{ defaults?: Options; overrides?: Options; operation: string }>([
    { operation: 'snapshots_since' },
    { defaults: { operation: 'poll' }, operation: 'poll' },
    { overrides: { operation: 'poll' }, operation: 'poll' },
    { overrides: { operation: undefined }, operation: 'snapshots_since' },
    { defaults: { operation: 'poll' }, overrides: { operation: 'wake' }, operation: 'wake' },
  ])(
    'is the operation $operation with the defaults $defaults and the overrides $overrides',
    async ({ defaults, overrides, operation }) => {
      const { options, see } = watch(database);

      await createSnapshotsSince({ ...options, ...defaults })(question, overrides);

      expect(await see()).toMatchObject({ misses: [[{ outcome: 'primary', operation }, 1]] });
    },
  );

  test.for<{ overrides: Options; asked: object }>([
    { overrides: {}, asked: { replica: 2, primary: 1 } },
    { overrides: { retryMs: 0 }, asked: { replica: 1, primary: 1 } },
    { overrides: { enabled: false }, asked: { replica: 0, primary: 1 } },
  ])('takes the overrides $overrides for one read', async ({ overrides, asked }) => {
    const { options, see } = watch(database);

    const page = await createSnapshotsSince(options)(question, overrides);

    expect(outline(page)).toEqual(['b']);
    expect(await see()).toMatchObject({ asked });
  });

  test('obeys defaults and overrides that come from a class', async () => {
    const { options, see } = watch(database);
    class Defaults {
      get primary() {
        return options.primary;
      }
      get replica() {
        return options.replica;
      }
      get enabled() {
        return false;
      }
    }
    class Overrides {
      get enabled() {
        return false;
      }
    }

    await createSnapshotsSince(new Defaults())(question);
    await createSnapshotsSince(options)(question, new Overrides());

    expect(await see()).toMatchObject({ asked: { replica: 0, primary: 2 } });
  });

  test('asks the same question in each attempt, although its object is changed meanwhile', async () => {
    const { options, see } = watch(database);
    const changing = { ...question };

    const read = createSnapshotsSince(options)(changing);
    changing.snapshotId = 'b';

    expect(outline(await read)).toEqual(['b']);
    expect(await see()).toMatchObject({ asked: { replica: 2, primary: 1 } });
  });

  test('lets no override say what a miss is', async () => {
    const { options, see } = watch(database);
    const overrides = { isMiss: () => false } as Options;

    const page = await createSnapshotsSince(options)(question, overrides);

    expect(outline(page)).toEqual(['b']);
    expect(await see()).toMatchObject({ outcomes: ['primary'] });
  });

  test.for<[keyof SnapshotsSince, unknown, string]>([
    ['limit', 0, 'an integer from 1 to 1000, got 0.'],
    ['limit', -1, 'an integer from 1 to 1000, got -1.'],
    ['limit', 1.5, 'an integer from 1 to 1000, got 1.5.'],
    ['limit', 1001, 'an integer from 1 to 1000, got 1001.'],
    ['limit', Number.NaN, 'an integer from 1 to 1000, got NaN.'],
    ['limit', '5', 'an integer from 1 to 1000, got "5".'],
    ['limit', null, 'an integer from 1 to 1000, got null.'],
    ['runId', '', 'a string that is not empty, without a NUL character, got "".'],
    ['runId', undefined, 'a string that is not empty, without a NUL character, got undefined.'],
    ['snapshotId', '', 'a string that is not empty, without a NUL character, got "".'],
    [
      'snapshotId',
      'a\0',
      String.raw`a string that is not empty, without a NUL character, got "a\u0000".`,
    ],
    ['snapshotId', 5, 'a string that is not empty, without a NUL character, got 5.'],
  ])('refuses the %s %o before it asks anybody', async ([option, given, expected]) => {
    const { options, see } = watch(database);
    const refused = { ...question, [option]: given } as SnapshotsSince;

    for (const read of [
      getSnapshotsSince(options.replica, refused),
      createSnapshotsSince(options)(refused),
      createSnapshotsSince({ primary: options.primary })(refused),
    ]) {
      const error = await read.catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(InvalidOptionError);
      expect(error).toMatchObject({ option, message: `Expected \`${option}\` to be ${expected}` });
    }
    expect(await see()).toMatchObject({ outcomes: [], asked: { replica: 0, primary: 0 } });
  });

  test('refuses a bad default at once', () => {
    const { options } = watch(database);

    expect(() => createSnapshotsSince({ ...options, retryMs: -1 })).toThrow(InvalidOptionError);
  });
});
