import { heldConnectionOf, holdConnection } from '../held-connection.ts';
import { someError } from './driver-errors.ts';
import { pinnedLike, turnOn } from './kysely-client.ts';
import { isOpenTransaction, openOn } from './open-transaction.ts';
import type { Pin, PinnedRun, SqlClient } from './sql-client.ts';

/**
 * Runs something on one connection of a client, or in one transaction: of the read around this one, if that has one.
 *
 * @param option - what the client was given as
 * @returns `undefined` for a client that is pinned already
 * @throws what comes of a transaction that somebody has left open on the connection
 */
export function runPinned<T>(
  client: SqlClient,
  db: object,
  option: 'primary' | 'replica',
  how: Pin,
  run: PinnedRun<T>,
): Promise<T> | undefined {
  const held = heldConnectionOf(db);
  // The check waits for its turn as well: reads inside of one query may run at once.
  if (held !== undefined) return run(held.pinned, held.pinned);
  let hasBegun = false;
  return client
    .pin?.(how, (pinned, connection) => {
      hasBegun = true;
      const pinnedFor = (other: unknown) =>
        other === db ? pinned : pinnedLike(other, pinned, client.database);
      const turn = () => turnOn(pinned);
      return holdConnection({ pinned, pinnedFor, turn, isFailed }, () => run(pinned, connection));
    })
    .catch((error: unknown) => {
      throw !hasBegun && isOpenTransaction(error)
        ? openOn(option, db, client.database, error)
        : error;
    });
}

/** After an error, PostgreSQL refuses whatever follows in the transaction. */
const isFailed = someError(({ code }) => code === '25P02');
