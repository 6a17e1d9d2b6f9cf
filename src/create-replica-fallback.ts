import type { ReplicaQuery } from './attempt.ts';
import { bindOptions } from './bind-options.ts';
import type { ReplicaFallbackOptions } from './options.ts';
import { bindAndStart, startRead } from './with-replica-fallback.ts';

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
  const bound = bindOptions(defaults);
  return (query, overrides) =>
    overrides === undefined ? startRead(query, bound) : bindAndStart(query, overrides, bound);
}
