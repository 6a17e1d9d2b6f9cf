import type { ReplicaQuery } from './attempt.ts';
import { type BoundOptions, bindOptions } from './bind-options.ts';
import type { ReadOverrides, ReplicaFallbackOptions } from './options.ts';
import { versionWide } from './process-wide.ts';
import { isOfThisVersion, markVersion } from './version.ts';
import { bindAndStart, startRead } from './with-replica-fallback.ts';
import {
  type ByKeyOverrides,
  type ByKeyQuery,
  readByKey,
  type RowKey,
} from './with-replica-fallback-by-key.ts';

/**
 * Reads with a service's defaults. An option in `overrides` replaces the default of the same name for this one read;
 * `undefined` leaves the default in place, and `null` clears it. Rejects as `withReplicaFallback` does.
 */
export interface ReplicaFallback<Client> {
  <T>(query: ReplicaQuery<Client, T>, overrides?: ReadOverrides<Client, T>): Promise<T>;
  /** Reads the rows of many keys, as `withReplicaFallbackByKey` does. A default of `isMiss` or `coalesceKey` does not count there. */
  byKey<Key extends RowKey, Row>(
    keys: readonly Key[],
    query: ByKeyQuery<Client, NoInfer<Key>, Row>,
    overrides: ByKeyOverrides<Client, NoInfer<Key>, NoInfer<Row>>,
  ): Promise<Row[]>;
}

/**
 * Validates a service's options up front and returns a function that runs queries with them.
 *
 * @param defaults - the options of every read, unless the read overrides them
 * @throws InvalidOptionError at once, for an invalid default
 *
 * @example
 * ```ts
 * import { createReplicaFallback } from 'kysely-replica-fallback';
 * import { replicaUnavailable } from 'kysely-replica-fallback/postgres';
 * import { primary, replica } from './databases.ts'; // two `Kysely<Database>`
 *
 * const read = createReplicaFallback({ primary, replica, isUnavailable: replicaUnavailable });
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
  const read: ReplicaFallback<Client> = Object.assign(
    <T>(query: ReplicaQuery<Client, T>, overrides?: ReadOverrides<Client, T>): Promise<T> => {
      if (overrides !== undefined) return bindAndStart(query, overrides, bound);
      try {
        return startRead(query, bound);
      } catch (error) {
        return Promise.reject(error); // of a getter that the client has
      }
    },
    {
      byKey: <Key extends RowKey, Row>(
        keys: readonly Key[],
        query: ByKeyQuery<Client, Key, Row>,
        overrides: ByKeyOverrides<Client, Key, Row>,
      ): Promise<Row[]> =>
        readByKey(keys, query, overrides, {
          bind: (options) => bindOptions(options, bound),
          start: startRead,
        }),
    },
  );
  boundOptions.set(read, bound);
  markVersion(read);
  return read;
}

const boundOptions = versionWide('bound options', () => new WeakMap<object, unknown>());

/**
 * The defaults that a function reads with. `undefined` for one that `createReplicaFallback` did not return.
 *
 * @throws InvalidOptionError for one of another version of this package
 */
export function boundOptionsOf<Client>(
  read: ReplicaFallback<Client>,
): BoundOptions<Client, unknown> | undefined {
  const bound = isOfThisVersion('read', read) ? boundOptions.get(read) : undefined;
  return isFor<Client>(bound) ? bound : undefined;
}

function isFor<Client>(bound: unknown): bound is BoundOptions<Client, unknown> {
  return bound !== undefined;
}
