import type { PinnedQuery } from '../informed-read.ts';

/**
 * How far a replica has come towards a position: it has replayed it, or not yet, or nobody can tell, because the two do
 * not compare or the server gives no position.
 */
export type Reach = 'reached' | 'behind' | 'unknown';

/**
 * What `createCatchUp` needs to know of a database and its client: where the primary is, and how far a replica has come.
 * All its queries are small, and reads share them: at most one runs at a time for each primary, and one for each replica.
 *
 * A position is a string that a client of the service may keep and give back, and so may be anything by then.
 */
export interface PositionSource<Client> {
  /**
   * Asks the primary for its position: all that was committed there before the call is at this position or before it. If
   * it rejects, the read goes on as without `catchUp`, unless it rejects with an `InvalidOptionError`, which the caller gets.
   * A server that is no primary has no position: reject with a `NotPrimaryError`.
   */
  position(primary: Client): Promise<string>;
  /**
   * Asks a replica for the position that it has replayed. `undefined` when it has none, for instance because it is no
   * standby. If it rejects, this replica is not waited for. After a session's query, it stands for all that the query may have
   * seen, so where a replica shows a change a moment before it counts as replayed, the position has to tell.
   */
  replayed(replica: Client): Promise<string | undefined>;
  /**
   * Asks a replica to wait until it has replayed `position`, for `timeoutMs` milliseconds at most. `undefined` when it
   * cannot: then, as without this method, it is asked again and again what it has replayed.
   */
  whenReplayed?(replica: Client, position: string, timeoutMs: number): Promise<Reach> | undefined;
  /**
   * Runs the query of a read with `after` once, on the primary, whose answer is the last word. The check that it is a primary
   * and the query have to be answered by the same server. Without this method, the query runs without a check.
   *
   * @throws NotPrimaryError when the server is no primary
   */
  runOnPrimary?<T>(
    primary: Client,
    query: PinnedQuery<Client, T>,
    assertWanted?: () => void,
  ): Promise<T>;
  /**
   * An object that stands for the database behind a client. Reads by one source share what is known of a database, whichever
   * client of it they have: with Kysely, `withSchema()` and `withPlugin()` make new ones. Without this method, or if it returns
   * `undefined`, a client counts as a database of its own.
   */
  databaseOf?(client: Client): object | undefined;
  /**
   * Whether a replica that has replayed `replayed` has `position`.
   *
   * @throws InvalidPositionError when one of them is not a position at all
   */
  compare(replayed: string, position: string): Reach;
  /**
   * Runs `query` once, on a replica that has replayed `position`. The check and the query have to be answered by the same
   * server, and the check has to be over before the query's snapshot is taken. What the query throws is thrown as it is.
   *
   * @param assertWanted - call it when there is a connection, before the check: it throws when nobody waits for the answer any more
   * @param position - `undefined` runs the query on one server, without a check: a session does its own after it
   * @throws ReplicaBehindError when the replica has not replayed `position`, or does not tell
   */
  runAt<T>(
    replica: Client,
    position: string | undefined,
    query: PinnedQuery<Client, T>,
    assertWanted?: () => void,
  ): Promise<T>;
}
