import { CamelCasePlugin, type Kysely } from 'kysely';
import {
  createSnapshotsSince,
  createSnapshotTables,
  dropSnapshotTables,
  getSnapshotsSince,
  SnapshotNotFoundError,
  type SnapshotTables,
} from 'kysely-replica-fallback/snapshots';
import { describe, expect, test } from 'vitest';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { addSnapshots, addWaitpoints, outline, START } from '../../support/snapshot-fixtures.ts';
import { watch } from '../../support/watch.ts';

const database = await replicatedDatabase<SnapshotTables>((db) =>
  db.schema.createSchema('tenant').execute(),
);

type Client = Kysely<SnapshotTables>;

describe('snapshots since', () => {
  test.for<{ through: string; use: (db: Client) => Client }>([
    { through: 'no plugin', use: (db) => db },
    { through: 'CamelCasePlugin', use: (db) => db.withPlugin(new CamelCasePlugin()) },
    {
      through: 'CamelCasePlugin in upper case',
      use: (db) => db.withPlugin(new CamelCasePlugin({ upperCase: true })),
    },
    { through: 'withSchema', use: (db) => db.withSchema('tenant') },
    {
      through: 'CamelCasePlugin and withSchema',
      use: (db) => db.withPlugin(new CamelCasePlugin()).withSchema('tenant'),
    },
    {
      through: 'withSchema and CamelCasePlugin',
      use: (db) => db.withSchema('tenant').withPlugin(new CamelCasePlugin()),
    },
  ])('come out the same through $through', async ({ use }) => {
    await database.write(
      (db) => createSnapshotTables(use(db)),
      (db) => fill(use(db)),
    );

    const page = await getSnapshotsSince(use(database.replica.db), {
      runId: 'run',
      snapshotId: 'a',
    });
    await database.write((db) => dropSnapshotTables(use(db)));

    expect(page).toEqual({
      snapshots: [
        {
          id: 'b',
          runId: 'run',
          executionStatus: 'EXECUTING',
          description: '',
          isValid: true,
          error: null,
          createdAt: START,
          completedWaitpointOrder: ['w'],
          completedWaitpoints: [
            {
              id: 'w',
              type: 'MANUAL',
              output: null,
              outputType: 'application/json',
              outputIsError: false,
              completedAt: null,
            },
          ],
        },
      ],
      hasMore: false,
    });
  });

  test('of a transaction are what the transaction has written, and no other client is asked', async () => {
    await database.write(createSnapshotTables);
    await database.primary.db.transaction().execute(async (trx) => {
      await fill(trx);
      const { options, see, instruments } = watch(database);
      const since = createSnapshotsSince(options);
      const question = { runId: 'run', snapshotId: 'a' };

      expect(outline(await since(question, { transaction: trx }))).toEqual(['b w']);
      expect(outline(await since(question, { primary: trx }))).toEqual(['b w']);
      expect(outline(await getSnapshotsSince(trx, question))).toEqual(['b w']);
      expect(await see()).toMatchObject({ outcomes: [], asked: { replica: 0, primary: 3 } });
      expect(await instruments()).toEqual([]);

      await expect(since(question)).rejects.toBeInstanceOf(SnapshotNotFoundError);
    });
    await database.write(dropSnapshotTables);
  });
});

async function fill(db: Client): Promise<void> {
  await addSnapshots('run', 'a', { id: 'b', completedWaitpointOrder: ['w'] })(db);
  await addWaitpoints('b', 'w')(db);
}
