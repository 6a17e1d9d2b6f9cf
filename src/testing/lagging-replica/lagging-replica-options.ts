import type { Kysely } from 'kysely';
import { assertObject } from '../../assert-object.ts';
import { InvalidOptionError, invalidOption } from '../../errors.ts';
import type { LagEnd } from './lag.ts';
import { resolveTable, type TableName } from './table-name.ts';

/**
 * The options of `laggingReplica`.
 *
 * @typeParam DB - the tables of the client
 */
export interface LaggingReplicaOptions<DB> {
  /** The tables that lag, at least one, by the names that queries use. All others are as they are. */
  readonly tables: readonly (keyof DB & string)[];
  /**
   * How many answers show the lag before it is over. An attempt that asks several queries of these tables gets several
   * answers. Default is no limit.
   */
  readonly catchUpAfterAttempts?: number | undefined;
  /** Milliseconds from the beginning of the lag to its end. Default is no limit. */
  readonly catchUpAfterMs?: number | undefined;
}

export interface LagSettings {
  readonly tables: readonly TableName[];
  readonly end: LagEnd;
}

/** Throws an `InvalidOptionError` for the first argument that is not what it has to be. */
export function resolveLag<DB>(
  client: Kysely<DB>,
  options: LaggingReplicaOptions<DB>,
): LagSettings {
  if (typeof Object(client).withPlugin !== 'function') {
    throw invalidOption('client', 'a Kysely instance', client);
  }
  assertObject('options', 'an object', options);
  const {
    tables,
    catchUpAfterAttempts: afterAttempts = Infinity,
    catchUpAfterMs: afterMs = Infinity,
  } = options;
  if (!Array.isArray(tables) || tables.length === 0) {
    throw new InvalidOptionError('tables', 'an array of at least one table', tables);
  }
  if (afterAttempts !== Infinity && !(Number.isInteger(afterAttempts) && afterAttempts > 0)) {
    throw new InvalidOptionError('catchUpAfterAttempts', 'an integer above 0', afterAttempts);
  }
  if (!(typeof afterMs === 'number' && afterMs > 0)) {
    throw new InvalidOptionError('catchUpAfterMs', 'a number above 0', afterMs);
  }
  return {
    tables: options.tables.map((table, index) => resolveTable(client, table, `tables[${index}]`)),
    end: { afterAttempts, afterMs },
  };
}
