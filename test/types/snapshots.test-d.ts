import type { Kysely } from 'kysely';
import {
  createSnapshotsSince,
  getSnapshotsSince,
  type SnapshotTables,
} from 'kysely-replica-fallback/snapshots';
import { test } from 'vitest';

interface CamelCased {
  executionSnapshot: { id: string };
  waitpoint: { id: string };
  completedWaitpoint: { snapshotId: string };
}

const question = { runId: 'run', snapshotId: 'a' };

test('a client whose database lacks the tables does not compile', () => {
  const primary = {} as Kysely<{ orders: { id: string } }>;
  // @ts-expect-error no `execution_snapshot`
  void createSnapshotsSince({ primary });
  // @ts-expect-error nor here
  void getSnapshotsSince(primary, question);
});

test('one that has them compiles, with others, in camel case, and of any type', () => {
  void createSnapshotsSince({ primary: {} as Kysely<SnapshotTables & { orders: { id: string } }> });
  void createSnapshotsSince({ primary: {} as Kysely<CamelCased> });
  void getSnapshotsSince({} as Kysely<SnapshotTables>, question);
  void getSnapshotsSince({} as Kysely<CamelCased>, question);
});
