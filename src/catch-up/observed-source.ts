import { countAs } from './per-source.ts';
import type { PositionSource } from './position-source.ts';

/** Before every position of a database: what a session has seen that has seen nothing. */
export const ORIGIN = 'origin';

/**
 * The source of a session that is monotonic: what a replica has replayed after a query is the least that the next one has to
 * see, because the query's snapshot may be newer than the check before it.
 *
 * @param saw - hears it. `undefined` is not known: at most what the primary has by then
 */
export function observed<Client>(
  source: PositionSource<Client>,
  saw: (position: string | undefined) => void,
): PositionSource<Client> {
  const observe = async (pinned: Client): Promise<void> => saw(await source.replayed(pinned));
  return countAs(source, {
    position: (primary) => source.position(primary),
    replayed: (replica) => source.replayed(replica),
    whenReplayed: (replica, position, timeoutMs) =>
      source.whenReplayed?.(replica, position, timeoutMs),
    ...(source.runOnPrimary && { runOnPrimary: source.runOnPrimary.bind(source) }),
    databaseOf: (client) => source.databaseOf?.(client),
    compare: (replayed, position) =>
      position === ORIGIN ? 'reached' : source.compare(replayed, position),
    runAt: (replica, position, query, assertWanted) =>
      source.runAt(
        replica,
        position === ORIGIN ? undefined : position,
        async (pinned) => {
          const value = await query(pinned).catch(async (error: unknown) => {
            // It may mean "not found", which the next read must not contradict either.
            await observe(pinned).catch(() => saw(undefined));
            throw error;
          });
          // Of a replica that does not tell, the answer stands all the same.
          await observe(pinned).catch(() => saw(undefined));
          return value;
        },
        assertWanted,
      ),
  });
}
