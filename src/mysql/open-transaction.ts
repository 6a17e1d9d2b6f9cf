import { someError } from '../databases/driver-errors.ts';
import { InvalidOptionError, ReplicaBehindError } from '../errors.ts';
import { warn } from '../instruments.ts';
import { databaseOf, selectText } from './gtid-client.ts';
import type { GtidServer } from './server-gtids.ts';

/**
 * Of a connection that a query is to run on without a transaction of its own. In one that somebody has left open, the query would
 * see an old snapshot, which no check of the server knows of.
 *
 * @throws ReplicaBehindError for a transaction on a replica
 * @throws InvalidOptionError for one on the primary, and where `autocommit` is off: there, each query leaves one open
 */
export async function assertNoneOpen(
  server: GtidServer | undefined,
  connection: object,
  option: 'primary' | 'replica',
  client: object,
): Promise<void> {
  if (server?.isAutocommit === false) {
    throw new InvalidOptionError(option, NONE_OPEN, client, 'one with `autocommit` off');
  }
  if (server?.isInTransaction ?? (await isInTransaction(connection))) throw openOn(option, client);
}

/** What comes of a query that cannot run because a transaction is open on its connection. */
export function openOn(option: 'primary' | 'replica', client: object, cause?: unknown): Error {
  if (option === 'primary') {
    const error = new InvalidOptionError(option, NONE_OPEN, client, 'one with an open transaction');
    error.cause = cause;
    return error;
  }
  const database = databaseOf(client) ?? client;
  if (!warned.has(database)) {
    warned.add(database);
    warn('A connection of a replica has an open transaction, so that it cannot show what is new.');
  }
  // Another connection, another replica or the primary can answer.
  return new ReplicaBehindError('unknown');
}

/** What a server says to `set transaction` in a transaction. */
export const isOpenTransaction = someError(({ errno }) => errno === 1568);

/** An ordinary user of MySQL cannot ask. This sets what is set already, which is an error in a transaction. */
function isInTransaction(connection: object): Promise<boolean> {
  return selectText(
    connection,
    'set @@transaction_isolation = @@session.transaction_isolation',
  ).then(
    () => false,
    (error: unknown) => {
      if (isOpenTransaction(error)) return true;
      throw error;
    },
  );
}

const warned = new WeakSet();
const NONE_OPEN =
  'a client whose connections have no open transaction: `autocommit` on, and each transaction ended before its connection goes back';
