import {
  createSnapshotTables,
  getSnapshotsSince,
  type SnapshotTables,
} from 'kysely-replica-fallback/snapshots';
import { beforeAll, describe, expect, test } from 'vitest';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { addSnapshots } from '../../support/snapshot-fixtures.ts';

const database = await replicatedDatabase<SnapshotTables>(createSnapshotTables);

describe('getSnapshotsSince', () => {
  test.for([
    { later: 50, limit: undefined, returned: 50, hasMore: false },
    { later: 51, limit: undefined, returned: 50, hasMore: true },
    { later: 1, limit: 1, returned: 1, hasMore: false },
    { later: 2, limit: 1, returned: 1, hasMore: true },
    { later: 1000, limit: 1000, returned: 1000, hasMore: false },
    { later: 1001, limit: 1000, returned: 1000, hasMore: true },
  ])(
    'returns the oldest $returned of $later with a limit of $limit, and hasMore is $hasMore',
    async ({ later, limit, returned, hasMore }) => {
      const runId = `${later} of ${limit}`;
      const [anchor, ...others] = idsOf(runId, later + 1);
      await database.write(addSnapshots(runId, anchor, ...others));

      const since = { runId, snapshotId: anchor, limit };
      const page = await getSnapshotsSince(database.replica.db, since);

      expect(page.snapshots.map(({ id }) => id)).toEqual(others.slice(0, returned));
      expect(page.hasMore).toBe(hasMore);
    },
  );

  describe('page by page', () => {
    /** Three at each moment, so that pages of most sizes end amid a tie, and each seventh is invalid. */
    const snapshots = idsOf('long', 121).map((id, n) => ({
      id,
      at: Math.floor(n / 3),
      isValid: n % 7 !== 0,
    }));

    beforeAll(async () => {
      await database.write(addSnapshots('long', ...snapshots));
      const others = snapshots.map((snapshot) => ({ ...snapshot, id: `other ${snapshot.id}` }));
      await database.write(addSnapshots('other', ...others));
    });

    test.for([1, 2, 7, undefined, 1000])(
      'gives each snapshot of a long run once, in order, with a limit of %s',
      async (limit) => {
        const ids: string[] = [];
        let snapshotId = snapshots[0]!.id;
        let hasMore = true;
        while (hasMore && ids.length <= snapshots.length) {
          const since = { runId: 'long', snapshotId, limit };
          const page = await getSnapshotsSince(database.replica.db, since);
          ids.push(...page.snapshots.map(({ id }) => id));
          snapshotId = ids.at(-1)!;
          ({ hasMore } = page);
        }

        const valid = snapshots.filter(({ isValid }) => isValid);
        expect(ids).toEqual(valid.map(({ id }) => id));
      },
    );
  });
});

/** Ids that sort as they are numbered, the first one for an anchor. */
function idsOf(runId: string, count: number): [string, ...string[]] {
  const ids = Array.from({ length: count }, (_, n) => `${runId} ${String(n).padStart(4, '0')}`);
  return ids as [string, ...string[]];
}
