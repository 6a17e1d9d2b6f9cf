import type { Kysely } from 'kysely';
import { createReplicaFallback } from '../create-replica-fallback.ts';
import { anyOf, thrown } from '../miss.ts';
import type { ReplicaFallbackOptions } from '../options.ts';
import { assertSnapshotsSince, getSnapshotsSince } from './get-snapshots-since.ts';
import { SnapshotNotFoundError } from './snapshot-not-found-error.ts';
import { isIncomplete, type SnapshotPage } from './snapshot-page.ts';
import type { SnapshotsSince } from './snapshots-since-query.ts';

/** The options of the reads: all but `isMiss`, which is what snapshots since is about. */
export type SnapshotsSinceOptions<Client> = Omit<
  ReplicaFallbackOptions<Client, SnapshotPage>,
  'isMiss'
>;

/** Asks "what came after this snapshot of this run?", up the ladder. */
export type ReadSnapshotsSince<Client> = (
  since: SnapshotsSince,
  overrides?: Partial<SnapshotsSinceOptions<Client>>,
) => Promise<SnapshotPage>;

/**
 * Binds a service's defaults once: {@link getSnapshotsSince}, asked of the replica first.
 *
 * A miss is an anchor that the replica does not have, or a newest snapshot whose waitpoints it does not all have. An
 * anchor that nothing came after is a hit, and so is a replica that lacks the newest snapshots: the next poll
 * catches up. The default `operation` is `'snapshots_since'`.
 *
 * @throws InvalidOptionError at once, for a default that is not what it has to be
 *
 * @example
 * ```ts
 * import { createSnapshotsSince, SnapshotNotFoundError } from 'kysely-replica-fallback/snapshots';
 *
 * const since = createSnapshotsSince({ primary, replica, logger: console });
 *
 * const { snapshots, hasMore } = await since({ runId, snapshotId });
 * ```
 */
export function createSnapshotsSince<DB>(
  defaults: SnapshotsSinceOptions<Kysely<DB>>,
): ReadSnapshotsSince<Kysely<DB>> {
  const read = createReplicaFallback({
    ...defaults,
    operation: defaults.operation ?? 'snapshots_since',
  });
  return async (since, overrides) => {
    assertSnapshotsSince(since);
    return read((db, { signal }) => getSnapshotsSince(db, since, { signal }), {
      ...overrides,
      isMiss,
    });
  };
}

/** The primary's page is as complete as it gets. */
const isMiss = anyOf<SnapshotPage>(
  thrown(SnapshotNotFoundError),
  (attempt) => attempt.ok && attempt.source !== 'primary' && isIncomplete(attempt.value),
);
