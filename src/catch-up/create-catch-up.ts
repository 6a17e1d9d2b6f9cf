import { isObject } from '../is-object.ts';
import { invalidOption, InvalidPositionError } from '../errors.ts';
import type { CatchUp, InformedRead, PinnedQuery } from '../informed-read.ts';
import { isOfThisVersion, markVersion } from '../version.ts';
import { begin, type MayTrust, recover } from './informed-recovery.ts';
import type { PositionSource } from './position-source.ts';

/**
 * Creates the option `catchUp` for a database or a client of your own. For PostgreSQL there is `walCatchUp()`, with
 * clients of Kysely, pg and Drizzle.
 *
 * @param source - where the primary is, and how far a replica has come
 * @throws InvalidOptionError for a `source` that lacks one of the methods
 *
 * @example
 * ```ts
 * import { InvalidPositionError, ReplicaBehindError } from 'kysely-replica-fallback';
 * import { createCatchUp } from 'kysely-replica-fallback/catch-up';
 *
 * interface SequencedStore {
 *   sequence(): Promise<string>; // how many changes it has
 * }
 *
 * const catchUp = createCatchUp<SequencedStore>({
 *   position: (primary) => primary.sequence(),
 *   replayed: (replica) => replica.sequence(),
 *   compare: (replayed, position) =>
 *     numberOf(replayed) >= numberOf(position) ? 'reached' : 'behind',
 *   async runAt(replica, position = '0', query) {
 *     const replayed = numberOf(await replica.sequence());
 *     if (replayed < numberOf(position)) throw new ReplicaBehindError('behind');
 *     return query(replica);
 *   },
 * });
 *
 * function numberOf(position: string): number {
 *   if (!/^\d{1,15}$/.test(position)) throw new InvalidPositionError(position); // a client may have sent it
 *   return Number(position);
 * }
 * ```
 */
export function createCatchUp<Client>(source: PositionSource<Client>): CatchUp<Client> {
  for (const method of ['position', 'replayed', 'compare', 'runAt']) {
    if (isObject(source) && typeof Reflect.get(source, method) === 'function') continue;
    throw invalidOption('source', `an object with the method \`${method}\``, source);
  }
  return new SourcedCatchUp(source);
}

/** For a session, too, which knows what it may trust. */
export class SourcedCatchUp<Client> implements CatchUp<Client> {
  static {
    markVersion(this.prototype);
  }
  readonly source: PositionSource<Client>;
  readonly runOnPrimary?: NonNullable<CatchUp<Client>['runOnPrimary']>;
  readonly #mayTrust: MayTrust | undefined;

  constructor(source: PositionSource<Client>, mayTrust?: MayTrust) {
    this.source = source;
    this.#mayTrust = mayTrust;
    if (source.runOnPrimary !== undefined) this.runOnPrimary = source.runOnPrimary.bind(source);
  }

  validate(position: string): void {
    // What a client sent may be of any type, and a source takes text.
    if (typeof position !== 'string') throw new InvalidPositionError(position);
    this.source.compare(position, position);
  }

  runAt<T>(
    replica: Client,
    position: string,
    query: PinnedQuery<Client, T>,
    assertWanted?: () => void,
  ): Promise<T> {
    return this.source.runAt(replica, position, query, assertWanted);
  }

  begin(read: InformedRead<Client>, windowMs: number): Promise<void> {
    // By default, a position comes from outside, and the primary may be another one by now.
    const mayTrust = this.#mayTrust ?? (({ number }) => number > read.queriesBefore);
    return begin(this.source, read, windowMs, mayTrust);
  }

  recover(read: InformedRead<Client>, windowMs: number): Promise<boolean> {
    return recover(this.source, read, windowMs);
  }
}

/** What a catch-up was made of. `undefined` for one that `createCatchUp` did not make. */
export function sourceOf<Client>(catchUp: CatchUp<Client>): PositionSource<Client> | undefined {
  return isSourced(catchUp) ? catchUp.source : undefined;
}

function isSourced<Client>(catchUp: CatchUp<Client>): catchUp is SourcedCatchUp<Client> {
  return isOfThisVersion('catchUp', catchUp);
}
