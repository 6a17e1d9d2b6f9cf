import type { Kysely } from 'kysely';
import { createCatchUp } from 'kysely-replica-fallback/catch-up';
import {
  createSnapshotsSince,
  SnapshotNotFoundError,
  type SnapshotTables,
} from 'kysely-replica-fallback/snapshots';
import { recordReads } from 'kysely-replica-fallback/testing';
import { expect, test } from 'vitest';
import { dummyKysely } from '../../support/dummy-kysely.ts';

test('an anchor that a replica lacks which has caught up is nowhere, and the primary is not asked', async () => {
  const { outcomes, onOutcome } = recordReads();
  const checked: Kysely<SnapshotTables>[] = [];
  const catchUp = createCatchUp<Kysely<SnapshotTables>>({
    position: async () => '1',
    replayed: async () => '1',
    compare: () => 'reached',
    runAt(replica, _position, query) {
      checked.push(replica);
      return query(replica);
    },
  });
  const [primary, replica] = [dummyKysely<SnapshotTables>(), dummyKysely<SnapshotTables>()];
  const since = createSnapshotsSince({ primary, replica, catchUp, onOutcome });

  const page = since({ runId: 'run-1', snapshotId: 'snapshot-1' });

  await expect(page).rejects.toThrow(SnapshotNotFoundError);
  expect(outcomes).toEqual(['not_found']);
  expect(checked).toEqual([replica]);

  const newer = since({ runId: 'run-1', snapshotId: 'snapshot-1' }, { after: 'now' });
  await expect(newer).rejects.toThrow(SnapshotNotFoundError);
  expect(checked).toEqual([replica, replica]);
});
