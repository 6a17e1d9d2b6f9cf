import { InvalidOptionError } from '../errors.ts';
import { isTransaction } from '../is-transaction.ts';

/** Of a transaction of Kysely. Others cannot be told from a client before the server is asked. */
export function assertNoTransaction(primary: unknown): void {
  if (isTransaction(primary)) throw uncommitted(primary);
}

/** For a position that was asked for in a transaction: it is older than the commit, so it does not include it. */
export function uncommitted(primary: unknown): InvalidOptionError {
  return new InvalidOptionError('primary', OUTSIDE, primary, 'one that is in a transaction');
}

const OUTSIDE = 'a client outside of a transaction, because a position counts from the commit on';
