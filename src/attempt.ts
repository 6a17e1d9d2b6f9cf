/**
 * Which server an attempt asks: a replica first, a replica again after a wait or a failure, the primary last.
 */
export type AttemptSource = 'replica' | 'replica_retry' | 'primary';

/**
 * What the query is told about the attempt that it runs for.
 */
export interface AttemptContext {
  /** Who is asked. In a bypass it is `'primary'`, whichever client it goes to. */
  readonly source: AttemptSource;
  /**
   * Aborts when this attempt is no longer wanted. Pass it on to the query: Kysely then stops waiting for the answer, and
   * with `executeTakeFirst({ signal, inflightQueryAbortStrategy: 'cancel query' })` it frees the connection as well.
   * `undefined` when nothing can abort the attempt.
   */
  readonly signal: AbortSignal | undefined;
}

/**
 * How one run of the query ended, with a value or with whatever it threw, and who was asked.
 */
export type Attempt<T> =
  | { readonly ok: true; readonly value: T; readonly source: AttemptSource }
  | { readonly ok: false; readonly error: unknown; readonly source: AttemptSource };

/**
 * A query that can run more than once, on the client that it is given.
 *
 * @param db - the client to run on, and the only one to run on
 * @param attempt - who is asked, and a signal to pass on
 */
export type ReplicaQuery<Client, T> = (db: Client, attempt: AttemptContext) => Promise<T>;
