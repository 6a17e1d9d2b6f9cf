import type { ReplicaQuery } from './attempt.ts';
import { assertOptions, type ReplicaFallbackOptions } from './options.ts';
import { climb, withReplicaFallback } from './with-replica-fallback.ts';

/**
 * Reads with a service's defaults. An option in `overrides` replaces the default of the same name for this one read;
 * one that is `undefined` does not.
 */
export type ReplicaFallback<Client> = <T>(
  query: ReplicaQuery<Client, T>,
  overrides?: Partial<ReplicaFallbackOptions<Client, T>>,
) => Promise<T>;

/**
 * Binds a service's defaults once: {@link withReplicaFallback} without repeating the clients at each call site.
 *
 * @throws InvalidOptionError at once, for a default that is not what it has to be
 *
 * @example
 * ```ts
 * import { createReplicaFallback } from 'kysely-replica-fallback';
 *
 * const read = createReplicaFallback({ primary, replica, logger: console });
 *
 * const order = await read(
 *   (db) => db.selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst(),
 *   { operation: 'order_by_id' },
 * );
 * ```
 */
export function createReplicaFallback<Client>(
  defaults: ReplicaFallbackOptions<Client, unknown>,
): ReplicaFallback<Client> {
  assertOptions(defaults);
  const bound = { ...UNSET, ...defaults };
  return (query, overrides) => {
    if (overrides === undefined) return climb(query, bound);
    // `{ retryMs: undefined }` leaves the default in place.
    const given = Object.entries(overrides).filter(([, value]) => value !== undefined);
    return withReplicaFallback(query, { ...bound, ...Object.fromEntries(given) });
  };
}

/** So that bound options have one shape, whatever is given, and the engine finds each of them at once. */
const UNSET: Record<Exclude<keyof ReplicaFallbackOptions<unknown, never>, 'primary'>, undefined> = {
  replica: undefined,
  transaction: undefined,
  enabled: undefined,
  isMiss: undefined,
  isUnavailable: undefined,
  replicaTimeoutMs: undefined,
  retryMs: undefined,
  primaryBudget: undefined,
  coalesceKey: undefined,
  signal: undefined,
  operation: undefined,
  meter: undefined,
  missCounter: undefined,
  logger: undefined,
  onOutcome: undefined,
};
