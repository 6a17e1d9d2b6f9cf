import type { Kysely } from 'kysely';
import { bindOptions } from '../bind-options.ts';
import { anyOf, attempted, thrown } from '../miss.ts';
import type { ReplicaFallbackOptions } from '../options.ts';
import { startRead } from '../with-replica-fallback.ts';
import { checkedSnapshotsSince, getSnapshotsSince } from './get-snapshots-since.ts';
import { SnapshotNotFoundError } from './snapshot-not-found-error.ts';
import { isIncomplete, type SnapshotPage } from './snapshot-page.ts';
import type { SnapshotsSince } from './snapshots-since-query.ts';
import type { WithSnapshotTables } from './tables.ts';

/** All options of `withReplicaFallback` except `isMiss`. */
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
 * A miss is an anchor that the replica does not have, or a newest valid snapshot whose waitpoints it does not all have, unless
 * `waitpointsOf` says that they have come. Otherwise an anchor that nothing came after is a hit, and so is a replica that lacks
 * the newest snapshots: the next poll catches up. The default `operation` is `'snapshots_since'`.
 *
 * A waitpoint that was deleted on the primary stays missing, so each later poll that returns the snapshot as the run's
 * newest one is a miss, and spills. Keep the waitpoints for as long as a run is polled.
 *
 * @returns a function that rejects with {@link SnapshotNotFoundError} when the run has no such snapshot
 * @throws InvalidOptionError at once, for a default that is not valid
 *
 * @example
 * ```ts
 * import { createSnapshotsSince, SnapshotNotFoundError } from 'kysely-replica-fallback/snapshots';
 * import { primary, replica } from './databases.ts'; // two `Kysely<Database>`
 *
 * const since = createSnapshotsSince({ primary, replica, logger: console });
 *
 * try {
 *   const { snapshots, hasMore } = await since({ runId, snapshotId });
 * } catch (error) {
 *   if (!(error instanceof SnapshotNotFoundError)) throw error;
 * }
 * ```
 */
export function createSnapshotsSince<DB extends WithSnapshotTables>(
  defaults: SnapshotsSinceOptions<Kysely<DB>>,
): ReadSnapshotsSince<Kysely<DB>> {
  const bound = bindOptions<Kysely<DB>, SnapshotPage>(defaults, { operation: 'snapshots_since' });
  return async (question, overrides = {}) => {
    const since = checkedSnapshotsSince(question);
    const options = { ...bindOptions(overrides, bound), isMiss };
    return startRead((db, { signal }) => getSnapshotsSince(db, since, { signal }), options);
  };
}

/** The primary's page is as complete as it gets. */
const isMiss = anyOf<SnapshotPage>(
  thrown(SnapshotNotFoundError),
  attempted((page) => page.ok && page.source !== 'primary' && isIncomplete(page.value)),
);
