import { assertObject } from '../assert-object.ts';
import type { AttemptContext, ReplicaQuery } from '../attempt.ts';
import { type BoundOptions, bindOptions } from '../bind-options.ts';
import { boundOptionsOf, type ReplicaFallback } from '../create-replica-fallback.ts';
import { InvalidOptionError, invalidOption, InvalidPositionError } from '../errors.ts';
import type { CatchUp } from '../informed-read.ts';
import { isEnabled } from '../is-enabled.ts';
import type { ReadOverrides } from '../options.ts';
import type { ReadReport } from '../read-report.ts';
import { startQuery } from '../run-query.ts';
import { countQueries } from '../shared-queries.ts';
import { startRead } from '../with-replica-fallback.ts';
import {
  type ByKeyOverrides,
  type ByKeyQuery,
  readByKey,
  type RowKey,
} from '../with-replica-fallback-by-key.ts';
import { SourcedCatchUp, sourceOf } from './create-catch-up.ts';
import { ORIGIN, observed } from './observed-source.ts';
import type { PositionSource } from './position-source.ts';
import { askPosition, positionsOf, SILENT } from './primary-positions.ts';
import { SessionFloor } from './session-floor.ts';

/** How a session starts, and what it promises. */
export interface CausalSessionOptions {
  /** Where an earlier part of the session was, as its `position()` told. Default is none: nothing was seen or written yet. */
  readonly position?: string | undefined;
  /**
   * What to do about a `position` that is none: `'throw'` an `InvalidPositionError`, or `'ignore'` it. Default is `'throw'`.
   */
  readonly invalidPosition?: 'throw' | 'ignore' | undefined;
  /**
   * `false` promises own writes only, and spares a replica one small query after each of the session's. Default is `true`.
   */
  readonly monotonicReads?: boolean | undefined;
}

/** Reads that see the session's own writes, and nothing older than what the session has seen. */
export interface CausalSession<Client> {
  /** Reads as the function does that the session was made of. An override of `catchUp` is checked, and not used. */
  read<T>(query: ReplicaQuery<Client, T>, overrides?: ReadOverrides<Client, T>): Promise<T>;
  /** Reads the rows of many keys, as `withReplicaFallbackByKey` does. */
  byKey<Key extends RowKey, Row>(
    keys: readonly Key[],
    query: ByKeyQuery<Client, NoInfer<Key>, Row>,
    overrides: ByKeyOverrides<Client, NoInfer<Key>, NoInfer<Row>>,
  ): Promise<Row[]>;
  /**
   * Tells the session that it wrote, after the write was committed. Its later reads see that.
   *
   * @param position - where the primary was after the commit. Default is to ask it when that is next needed.
   * @throws InvalidPositionError for a `position` that is none
   */
  wrote(position?: string): void;
  /**
   * Where the session is when it is asked, for its next part to start from: in another request, service or job. `undefined`
   * when it has seen and written nothing. Rejects when the primary has to be asked and does not answer within a minute. With `enabled: false`,
   * the primary is not asked: it is as far as the session knows.
   *
   * @throws NotPrimaryError when the server in place of the primary is a standby, or read-only
   */
  position(): Promise<string | undefined>;
}

/**
 * Creates a session over a service's reads. After `wrote()`, every read of the session sees what was written; and no read
 * sees less than an earlier one did, on whichever replica. Nothing is promised between two sessions.
 *
 * Nothing is asked before it is needed. A read costs what its check costs, and a session that has neither read nor written
 * costs nothing. Its state is one position.
 *
 * @param read - by `createReplicaFallback`, with a `catchUp` by `walCatchUp()` or `createCatchUp()`
 * @throws InvalidPositionError for a `position` that is none, unless `invalidPosition` is `'ignore'`
 * @throws InvalidOptionError for any other invalid option, and for a `read` without such a `catchUp`
 *
 * @example
 * ```ts
 * import { createReplicaFallback } from 'kysely-replica-fallback';
 * import { createCausalSession, walCatchUp } from 'kysely-replica-fallback/postgres';
 * import { primary, replica } from './databases.ts'; // two `Kysely<Database>`
 *
 * const read = createReplicaFallback({ primary, replica, catchUp: walCatchUp() });
 *
 * const session = createCausalSession(read);
 * await primary.updateTable('orders').set({ status: 'paid' }).where('id', '=', id).execute();
 * session.wrote();
 * const order = await session.read(
 *   (db) => db.selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst(),
 * ); // is paid
 * const position = await session.position(); // for the next request
 * ```
 */
export function createCausalSession<Client>(
  read: ReplicaFallback<Client>,
  options: CausalSessionOptions = {},
): CausalSession<Client> {
  const bound = boundOptionsOf(read);
  const source = bound?.catchUp === undefined ? undefined : sourceOf(bound.catchUp);
  if (bound === undefined || source === undefined) {
    throw invalidOption('read', READ, read);
  }
  assertObject('options', 'an object', options);
  const { position, invalidPosition = 'throw', monotonicReads = true } = options;
  if (invalidPosition !== 'throw' && invalidPosition !== 'ignore') {
    throw new InvalidOptionError('invalidPosition', "'throw' or 'ignore'", invalidPosition);
  }
  if (typeof monotonicReads !== 'boolean') {
    throw new InvalidOptionError('monotonicReads', 'a boolean', monotonicReads);
  }
  const session = new Session(bound, source, monotonicReads);
  try {
    if (position !== undefined) session.wrote(position);
  } catch (error) {
    if (invalidPosition === 'throw' || !(error instanceof InvalidPositionError)) throw error;
  }
  return session;
}

const READ = 'by `createReplicaFallback`, with a `catchUp` by `walCatchUp()` or `createCatchUp()`';

class Session<Client> implements CausalSession<Client> {
  readonly #bound: BoundOptions<Client, unknown>;
  readonly #source: PositionSource<Client>;
  readonly #catchUp: CatchUp<Client>;
  readonly #isMonotonic: boolean;
  readonly #floor: SessionFloor;

  constructor(
    bound: BoundOptions<Client, unknown>,
    source: PositionSource<Client>,
    isMonotonic: boolean,
  ) {
    this.#bound = bound;
    this.#source = source;
    this.#catchUp = new SourcedCatchUp(
      isMonotonic ? observed(source, (position) => this.#saw(position)) : source,
      (known) => this.#floor.mayTrust(known),
    );
    this.#isMonotonic = isMonotonic;
    this.#floor = new SessionFloor(source);
  }

  wrote(position?: string): void {
    if (position === undefined) return this.#floor.raiseToNow();
    this.#bound.catchUp?.validate(position);
    this.#floor.raise(position);
    this.#floor.doubt();
  }

  async position(): Promise<string | undefined> {
    if (this.#floor.isKnown || !isEnabled(this.#bound.enabled)) return this.#floor.position;
    const positions = positionsOf(this.#source, this.#bound.primary);
    const ask = () => askPosition(this.#source, this.#bound);
    const found = await positions.since(countQueries(), ask);
    if (found === undefined) throw positions.failure ?? new Error(SILENT);
    this.#floor.learn(found);
    return found.position; // has all that was seen and written before it was asked for
  }

  async read<T>(
    query: ReplicaQuery<Client, T>,
    overrides: ReadOverrides<Client, T> = {},
  ): Promise<T> {
    return this.#start(query, bindOptions(overrides, this.#bound));
  }

  byKey<Key extends RowKey, Row>(
    keys: readonly Key[],
    query: ByKeyQuery<Client, Key, Row>,
    overrides: ByKeyOverrides<Client, Key, Row>,
  ): Promise<Row[]> {
    return readByKey(keys, query, overrides, {
      bind: (options) => bindOptions(options, this.#bound),
      start: (read, options) => this.#start(read, options),
    });
  }

  async #start<T>(query: ReplicaQuery<Client, T>, options: BoundOptions<Client, T>): Promise<T> {
    const after = this.#floor.with(options.after) ?? (this.#isMonotonic ? ORIGIN : undefined);
    try {
      return await startRead((db, attempt) => this.#run(query, db, attempt), {
        ...options,
        after,
        catchUp: this.#catchUp,
        onOutcome: (report: ReadReport) => {
          if (report.coalesced) this.#saw(undefined);
          return options.onOutcome?.(report); // a promise, too, so that its rejection is seen to
        },
      });
    } finally {
      const { newest } = positionsOf(this.#source, this.#bound.primary);
      if (newest !== undefined) this.#floor.learn(newest);
    }
  }

  async #run<T>(query: ReplicaQuery<Client, T>, db: Client, attempt: AttemptContext): Promise<T> {
    try {
      return await startQuery(query, db, attempt);
    } finally {
      if (attempt.source === 'primary') this.#saw(undefined);
    }
  }

  /** Remembers what a server showed. `undefined` is the most that the primary may have by now. */
  #saw(position: string | undefined): void {
    if (position !== undefined) this.#floor.raise(position);
    else if (this.#isMonotonic) this.#floor.raiseToNow();
  }
}
