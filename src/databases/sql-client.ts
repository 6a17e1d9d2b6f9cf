import { InvalidOptionError } from '../errors.ts';
import { isObject } from '../is-object.ts';

/** What catch-up needs of a client, or of what one was pinned to, whoever has made it. */
export interface SqlClient {
  /** What stands for the database behind it. */
  readonly database: object;
  /** Runs a statement, and gives its rows. */
  select(sql: string): Promise<readonly unknown[]>;
  /** Runs something on one connection. What is pinned already lacks it. */
  pin?<T>(how: Pin, run: PinnedRun<T>): Promise<T>;
}

/**
 * `'transaction'` is read-only, at READ COMMITTED, where each statement has a snapshot of its own: that of the query is taken
 * after the check.
 */
export type Pin = 'transaction' | 'connection';

/**
 * @param pinned - a client of the same make, for the query
 * @param connection - for the check. The same, unless queries on `pinned` would wait for each other
 */
export type PinnedRun<T> = (pinned: object, connection: object) => Promise<T>;

/** What was run in a transaction counts, and not the error of a rollback, or of a commit, which failed, too. */
export async function outcomeIn<Pinned, T>(
  transaction: (run: (pinned: Pinned) => Promise<T>) => Promise<unknown>,
  run: (pinned: Pinned) => Promise<T>,
): Promise<T> {
  let outcome: Promise<T> | undefined;
  try {
    await transaction((pinned) => (outcome = run(pinned)));
  } catch (error) {
    if (outcome === undefined) throw error;
  }
  if (outcome === undefined) throw new Error('The transaction ran nothing.');
  return outcome;
}

/** Whether it has methods of these names. A client may be a function. */
export function hasMethods(given: object, ...names: readonly string[]): boolean {
  return names.every((name) => typeof Reflect.get(given, name) === 'function');
}

/**
 * What an error of a query becomes that was run in a transaction only to be checked: the same query works on a hit, so the
 * error has to say what to do. Any other error stays as it is.
 */
export function explainPin(error: unknown): unknown {
  if (!isObject(error) || !('message' in error)) return error;
  const { message } = error;
  const reason =
    'code' in error && error.code === '25P02'
      ? 'goes on after an error'
      : NO_TRANSACTION_IN_ONE.test(String(message))
        ? 'starts a transaction of its own'
        : undefined;
  if (reason === undefined) return error;
  const expected = `one with \`pin: 'connection'\`, because the query ${reason}`;
  const got = `'transaction', which is the default: ${String(message)}`;
  const explained = new InvalidOptionError('catchUp', expected, 'transaction', got);
  explained.cause = error;
  return explained;
}

/** Kysely's. */
const NO_TRANSACTION_IN_ONE =
  /^calling the (transaction|controlled transaction|connection) method for a Transaction is not supported$/;
