import { InvalidOptionError, ReplicaBehindError } from '../errors.ts';
import { warn } from '../instruments.ts';
import { someError } from './driver-errors.ts';

export const NONE_OPEN =
  'a client whose connections have no open transaction: `autocommit` on, and each transaction ended before its connection goes back';

/** What servers say when a transaction is to begin in one that somebody has left open: MySQL and MariaDB, and PostgreSQL. */
export const isOpenTransaction = someError(
  ({ errno, code }) => errno === 1568 || code === '25001' || code === '25P02',
);

/**
 * What comes of a query that cannot run because somebody has left a transaction open on its connection.
 *
 * @param database - what stands for the database behind the client
 */
export function openOn(
  option: 'primary' | 'replica',
  client: object,
  database: object,
  cause?: unknown,
): Error {
  if (option === 'primary') {
    const error = new InvalidOptionError(option, NONE_OPEN, client, 'one with an open transaction');
    error.cause = cause;
    return error;
  }
  if (!warned.has(database)) {
    warned.add(database);
    warn('A connection of a replica has an open transaction, so that it cannot show what is new.');
  }
  // Another connection, another replica or the primary can answer.
  return new ReplicaBehindError('unknown');
}

const warned = new WeakSet();
