import { isOpenTransaction, NONE_OPEN, openOn } from '../databases/open-transaction.ts';
import { InvalidOptionError } from '../errors.ts';
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
  if (server?.isInTransaction ?? (await isInTransaction(connection))) {
    throw openOn(option, client, databaseOf(client) ?? client);
  }
}

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
