import type { AttemptContext, ReplicaQuery } from './attempt.ts';
import { assertObject } from './assert-object.ts';
import { type BoundOptions, bindOptions } from './bind-options.ts';
import { InvalidOptionError, invalidOption } from './errors.ts';
import { attempted } from './miss.ts';
import type { ReadOverrides, ReplicaFallbackOptions } from './options.ts';
import { startRead } from './with-replica-fallback.ts';

/** What a row is found by. All keys of a read are of one type, because a `1` is not the key `'1'`. */
export type RowKey = string | number | bigint;

/**
 * A query for the rows of some keys.
 *
 * @param db - the client to run on, and the only one to run on
 * @param missing - the keys whose rows have not been found yet, each once, and at least one
 * @param attempt - who is asked, and a signal to pass on
 */
export type ByKeyQuery<Client, Key extends RowKey, Row> = (
  db: Client,
  missing: readonly Key[],
  attempt: AttemptContext,
) => Promise<readonly Row[]>;

/**
 * The options of {@link withReplicaFallbackByKey}: `keyOf` and those of every read, but for `isMiss`, because the keys say
 * what is missing, and `coalesceKey`, because reads that lack different rows cannot share a query.
 */
export interface ByKeyOptions<Client, Key extends RowKey, Row> extends Omit<
  ReplicaFallbackOptions<Client, readonly Row[]>,
  'isMiss' | 'coalesceKey'
> {
  /** The key that a row belongs to. */
  readonly keyOf: (row: Row) => Widened<Key>;
}

/** Those of a read by keys that has a service's defaults, or is in a session. */
export type ByKeyOverrides<Client, Key extends RowKey, Row> = Omit<
  ReadOverrides<Client, readonly Row[]>,
  'isMiss' | 'coalesceKey'
> &
  Pick<ByKeyOptions<Client, Key, Row>, 'keyOf'>;

/** Its type, and not the very keys that were given. In a generic function, TypeScript knows no more of it than `Key`. */
type Widened<Key extends RowKey> =
  | Key
  | (Key extends string ? string : never)
  | (Key extends number ? number : never)
  | (Key extends bigint ? bigint : never)
  | ([Key] extends [never] ? RowKey : never);

/**
 * Reads the rows of many keys, of which only those that the replica does not have climb the ladder: the rows that came are
 * kept, and the retry and the primary are asked for the others. So the rows may be of different moments.
 *
 * @param keys - in any order; one that stands there twice counts once. Without any, nobody is asked
 * @param query - for `where id in (…)`, up to three times with the default options
 * @param options - `keyOf`, and those of {@link withReplicaFallback}
 * @returns one row for each key that has one, in the order of `keys`. A key's first row counts; rows that nobody asked for
 *   are left out
 * @throws what {@link withReplicaFallback} throws
 * @throws {@link InvalidOptionError} for `isMiss` and `coalesceKey`, for a `keyOf` that gives keys of another type, and when
 *   keys are missing in the end while rows came whose keys nobody asked for: keys that are equal to the database, but not as
 *   text, such as a UUID in upper case
 *
 * @example
 * ```ts
 * import { withReplicaFallbackByKey } from 'kysely-replica-fallback';
 * import { primary, replica } from './databases.ts'; // two `Kysely<Database>`
 *
 * const orders = await withReplicaFallbackByKey(
 *   ids,
 *   (db, missing) => db.selectFrom('orders').selectAll().where('id', 'in', missing).execute(),
 *   { primary, replica, keyOf: (order) => order.id },
 * );
 * ```
 */
export async function withReplicaFallbackByKey<Client, Key extends RowKey, Row>(
  keys: readonly Key[],
  query: ByKeyQuery<NoInfer<Client>, NoInfer<Key>, Row>,
  options: ByKeyOptions<Client, NoInfer<Key>, NoInfer<Row>>,
): Promise<Row[]> {
  return readByKey(keys, query, options, { bind: bindOptions, start: startRead });
}

/** How a read by keys becomes reads: on their own, with a service's defaults, or in a session. */
interface Reading<Client> {
  bind<T>(options: ReadOverrides<Client, T>): BoundOptions<Client, T>;
  start<T>(query: ReplicaQuery<Client, T>, options: BoundOptions<Client, T>): Promise<T>;
}

/** Reads what is missing, and no more, until all keys have a row or nobody is left to ask. */
export async function readByKey<Client, Key extends RowKey, Row>(
  keys: readonly Key[],
  query: ByKeyQuery<Client, Key, Row>,
  options: ByKeyOverrides<Client, Key, Row>,
  reading: Reading<Client>,
): Promise<Row[]> {
  const wanted = distinct(keys);
  if (typeof query !== 'function') throw invalidOption('query', 'a function', query);
  assertObject('options', 'an object', options);
  const { keyOf } = options;
  for (const name of ['isMiss', 'coalesceKey']) assertLeftOut(name, Reflect.get(options, name));
  const bound = reading.bind<readonly Row[]>(options);
  if (typeof keyOf !== 'function') throw invalidOption('keyOf', 'a function', keyOf);

  const type = typeof wanted[0];
  const rowsByKey = new Map<RowKey, Row>();
  const asked = new Set<RowKey>(wanted);
  const missing = new Set<RowKey>(wanted);
  let hasOthers = false;
  const keep = (rows: readonly Row[]): void => {
    if (!Array.isArray(rows)) throw invalidOption('query', RESOLVES_WITH_ROWS, rows);
    hasOthers = false;
    for (const row of rows) {
      const key: RowKey = keyOf(row);
      if (typeof key !== type) throw invalidOption('keyOf', `${RETURNS} ${type}`, key);
      if (missing.delete(key)) rowsByKey.set(key, row);
      else if (!asked.has(key)) hasOthers = true;
    }
  };
  // Of the last answer: before that, rows may be missing because the replica lags.
  const assertSameKeys = (): void => {
    if (hasOthers && missing.size > 0) {
      throw new InvalidOptionError('keyOf', RETURNS_GIVEN, keyOf, 'other keys');
    }
  };
  // Hears of each answer that counts, and of none that came too late.
  const isMiss = attempted<readonly Row[]>((attempt) => {
    if (!attempt.ok) return false;
    keep(attempt.value);
    if (attempt.source === 'primary') assertSameKeys();
    return missing.size > 0;
  });
  const queryMissing: ReplicaQuery<Client, readonly Row[]> = (db, attempt) => {
    const keysLeft = wanted.filter((key) => missing.has(key));
    return query(db, keysLeft, attempt);
  };
  if (missing.size === 0) return [];
  const rows = await reading.start(queryMissing, { ...bound, isMiss, coalesceKey: undefined });
  if (rowsByKey.size === 0) keep(rows); // A bypass asks no classifier.
  assertSameKeys();
  const inOrder: Row[] = [];
  for (const key of wanted) {
    const row = rowsByKey.get(key);
    if (row !== undefined) inOrder.push(row);
  }
  return inOrder;
}

/** Each key once, and `undefined` for a hole in the array, which is no key either. */
function distinct<Key extends RowKey>(keys: readonly Key[]): Key[] {
  if (!Array.isArray(keys)) throw invalidOption('keys', 'an array', keys);
  const wanted = [...new Set(keys)];
  const type = typeof wanted[0];
  const isKey = (key: unknown): boolean => KEY_TYPES.has(type) && typeof key === type;
  if (!wanted.every(isKey)) throw invalidOption('keys', OF_ONE_TYPE, keys);
  return wanted;
}

function assertLeftOut(option: string, given: unknown): void {
  if (given !== undefined) throw invalidOption(option, 'left out of a read by keys', given);
}

const KEY_TYPES = new Set(['string', 'number', 'bigint']);
const OF_ONE_TYPE = 'all strings, all numbers or all bigints';
const RETURNS = 'a function that returns a';
const RETURNS_GIVEN =
  'a function that returns keys as they were given, in the same letter case and form';
const RESOLVES_WITH_ROWS = 'a function that resolves with an array of rows';
