import type { AttemptSource } from './attempt.ts';
import type { Meter } from './instruments.ts';
import type { CatchUpReport, ReplicaFallbackLogger } from './read-report.ts';

/**
 * Makes the wait after a miss an informed one, which ends when a replica has replayed what the primary has. `walCatchUp()`
 * makes one for PostgreSQL, `createCatchUp()` one for another database or client.
 *
 * @typeParam Client - what the queries run on, as in `ReplicaFallbackOptions`
 */
export interface CatchUp<Client> {
  /**
   * Makes sure that a string is a position.
   *
   * @throws InvalidPositionError if it is not
   */
  validate(position: string): void;
  /**
   * Runs a query on a replica that has replayed a position.
   *
   * @param assertWanted - throws when nobody waits for the answer any more. Called when there is a connection
   * @throws ReplicaBehindError if it has not, or if that is not known
   */
  runAt<T>(
    replica: Client,
    position: string,
    query: PinnedQuery<Client, T>,
    assertWanted?: () => void,
  ): Promise<T>;
  /**
   * Runs the query of a read with `after` on the primary. Without this method, the query runs without a check.
   *
   * @throws NotPrimaryError if the server that answers is not a primary
   */
  runOnPrimary?<T>(
    primary: Client,
    query: PinnedQuery<Client, T>,
    assertWanted?: () => void,
  ): Promise<T>;
  /** Rung 2 of a read with `after`. The primary has `windowMs` milliseconds to say where it is. */
  begin(read: InformedRead<Client>, windowMs: number): Promise<void>;
  /**
   * Rungs 3 and 4 of a read that has missed, for `windowMs` milliseconds at most. Resolves with `false` when the positions
   * are not known, and the read has to wait as without `catchUp`.
   */
  recover(read: InformedRead<Client>, windowMs: number): Promise<boolean>;
}

/** A query that runs on the client that it is given, for instance one that is pinned to a connection. */
export interface PinnedQuery<Client, T> {
  (db: Client): Promise<T>;
  readonly [pinned]?: true;
}

/**
 * Exists in types only: for a plain function type, TypeScript would not let a `CatchUp` of every Kysely client be one of a
 * `Kysely<Database>`. https://github.com/microsoft/TypeScript/pull/18654
 */
declare const pinned: unique symbol;

/** The position that a replica must have replayed for its answer to count. */
export interface Floor {
  readonly position: string;
  /** Whether the primary had it after the read began: then a miss is final, because the primary would answer the same. */
  readonly isFinal: boolean;
}

/** A read that is under way, for a {@link CatchUp} to see and to move on. */
export interface InformedRead<Client> {
  /** The options of the same names. */
  readonly options: {
    readonly primary: Client;
    readonly after: string | undefined;
    readonly signal: AbortSignal | undefined;
    readonly operation: string | undefined;
    readonly logger: ReplicaFallbackLogger | undefined;
    readonly meter: Meter | undefined;
  };
  /** How many shared queries had started when the read was called: it may use the answer of a later one. */
  readonly queriesBefore: number;
  /** The replicas that have not failed. */
  readonly replicas: readonly Client[];
  /** Whether the last attempt was a miss, and that is not the answer. */
  readonly hasMissed: boolean;
  /** Whether the last attempt was a failure. */
  readonly hasFailed: boolean;
  /** Whether the last attempt was a miss because the replica had not replayed enough, and not because of its answer. */
  readonly isBehind: boolean;
  /** An answer of a replica counts only if it had replayed this. `undefined`: any answer counts. */
  floor: Floor | undefined;
  /**
   * Asks this replica. By default it is at first the one that the read starts on, then one that was not asked yet, while
   * there is one, and else the same one again.
   */
  askReplica(source: Exclude<AttemptSource, 'primary'>, replica?: Client): Promise<void>;
  /** Goes on as after a miss, because no answer of a replica could count. */
  skipReplicas(): void;
  /** Lets the logger hear this beside how the read ends. */
  warn(message: string): void;
  /** Remembers how an informed wait ended. */
  noteCatchUp(catchUp: CatchUpReport): void;
}
