import type { Attempt } from './attempt.ts';
import { markErrors } from './error-mark.ts';
import { isNonEmptyString } from './is-non-empty-string.ts';
import type { RecoveryCause } from './read-report.ts';

/**
 * An option or the query is invalid. The message names it, says what was expected and quotes what was given:
 * ``Expected `retryMs.min` to be at most `retryMs.max` (10), got 50.`` Text that was given instead of a client, an object
 * or a function, which may be a connection string or a query, is not quoted.
 *
 * @example
 * ```ts
 * import { createReplicaFallback, InvalidOptionError } from 'kysely-replica-fallback';
 * import { primary, replica } from './databases.ts'; // two `Kysely<Database>`
 *
 * try {
 *   createReplicaFallback({ primary, replica, retryMs: Number(process.env.RETRY_MS) });
 * } catch (error) {
 *   if (error instanceof InvalidOptionError) {
 *     console.error(error.message); // Expected `retryMs` to be … got NaN.
 *   }
 * }
 * ```
 */
export class InvalidOptionError extends TypeError {
  static {
    markErrors(this, 'InvalidOptionError');
  }
  override readonly name = 'InvalidOptionError';
  /** The option's name, with its path: `'retryMs.min'`. */
  readonly option: string;
  /** What the option has to be, in words: ``'at most `retryMs.max` (10)'``. */
  readonly expected: string;
  readonly #given: unknown;

  /** @param got - how the message describes what was given. Default is to quote it. */
  constructor(option: string, expected: string, given: unknown, got: string = quote(given)) {
    super(`Expected \`${option}\` to be ${expected}, got ${got}.`);
    this.option = option;
    this.expected = expected;
    this.#given = given;
    // Nobody waits for a promise that was given by mistake, so what it rejects with would end the process.
    if (given instanceof Promise) given.catch(() => {});
  }

  /** The value that was given. Not printed with the error, because it may be a client with a password. */
  get given(): unknown {
    return this.#given;
  }
}

/**
 * A replica did not answer within `replicaTimeoutMs`. The read goes on without it, so this error is reported, as
 * `replicaError`, not thrown. It is also the `reason` of the attempt's signal.
 *
 * @example
 * ```ts
 * import { createReplicaFallback, ReplicaTimeoutError } from 'kysely-replica-fallback';
 * import { primary, replica } from './databases.ts'; // two `Kysely<Database>`
 *
 * const read = createReplicaFallback({
 *   primary,
 *   replica,
 *   replicaTimeoutMs: 500,
 *   onOutcome({ replicaError }) {
 *     if (replicaError instanceof ReplicaTimeoutError) console.warn(replicaError.message);
 *   },
 * });
 * ```
 */
export class ReplicaTimeoutError extends Error {
  static {
    markErrors(this, 'ReplicaTimeoutError');
  }
  override readonly name = 'ReplicaTimeoutError';
  /** The milliseconds that the replica was given. */
  readonly timeoutMs: number;

  constructor(timeoutMs: number) {
    super(`The replica did not answer within ${timeoutMs} ms.`);
    this.timeoutMs = timeoutMs;
  }
}

/**
 * A read needed the primary, and its `primaryBudget` had no spill left. When a replica could not answer, `cause` is what
 * it threw. If a route throws it, Express and Fastify answer with a 503 and `retry-after: 1`.
 *
 * @example
 * ```ts
 * import { createPrimaryBudget, createReplicaFallback, PrimaryBudgetExceededError } from 'kysely-replica-fallback';
 * import { primary, replica } from './databases.ts'; // two `Kysely<Database>`
 *
 * const read = createReplicaFallback({ primary, replica, primaryBudget: createPrimaryBudget() });
 *
 * try {
 *   await read((db) => db.selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst());
 * } catch (error) {
 *   if (!(error instanceof PrimaryBudgetExceededError)) throw error;
 *   console.warn('Try again soon.', error.cause);
 * }
 * ```
 */
export class PrimaryBudgetExceededError extends Error {
  static {
    markErrors(this, 'PrimaryBudgetExceededError');
  }
  override readonly name = 'PrimaryBudgetExceededError';
  /** Of the HTTP response, for frameworks that read it: Service Unavailable. Always 503. */
  readonly status = 503;
  /** The same as `status`, under the name that others read. */
  readonly statusCode = 503;
  /** Of the HTTP response: when to try again, in seconds. */
  readonly headers: Readonly<Record<string, string>> = { 'retry-after': '1' };
  readonly #attempt: Attempt<unknown>;

  constructor(cause: RecoveryCause, attempt: Attempt<unknown>) {
    super(
      'The read needs the primary, and its `primaryBudget` has no spill left.',
      cause === 'failure' && !attempt.ok ? { cause: attempt.error } : undefined,
    );
    this.#attempt = attempt;
  }

  /** How the last replica answered. Not printed with the error, because it may hold a row. */
  get attempt(): Attempt<unknown> {
    return this.#attempt;
  }
}

/**
 * The option `after` is not a position. It may come from a client, so this is not a mistake of the service: answer with a
 * 400, or read without it.
 *
 * @example
 * ```ts
 * import { createReplicaFallback, InvalidPositionError } from 'kysely-replica-fallback';
 * import { walCatchUp } from 'kysely-replica-fallback/postgres';
 * import { primary, replica } from './databases.ts'; // two `Kysely<Database>`
 *
 * const read = createReplicaFallback({ primary, replica, catchUp: walCatchUp() });
 *
 * async function handle(request: Request) {
 *   const after = request.headers.get('x-position') ?? undefined;
 *   try {
 *     return Response.json(await read((db) => db.selectFrom('orders').selectAll().execute(), { after }));
 *   } catch (error) {
 *     if (!(error instanceof InvalidPositionError)) throw error;
 *     return new Response(error.message, { status: 400 });
 *   }
 * }
 * ```
 */
export class InvalidPositionError extends Error {
  static {
    markErrors(this, 'InvalidPositionError');
  }
  override readonly name = 'InvalidPositionError';
  /** What was given instead of a position. */
  readonly given: string;

  constructor(given: string) {
    super(`Expected a position, got ${quote(given)}.`);
    this.given = given;
  }
}

/**
 * A replica had not replayed the position that the read needs, or it is not known whether it had. The read goes on, so this
 * error is not thrown; a `CatchUp` of your own throws it to say so.
 */
export class ReplicaBehindError extends Error {
  static {
    markErrors(this, 'ReplicaBehindError');
  }
  override readonly name = 'ReplicaBehindError';
  readonly reach: 'behind' | 'unknown';

  constructor(reach: 'behind' | 'unknown') {
    super(`The position that the read needs: ${reach} on the replica.`);
    this.reach = reach;
  }
}

/**
 * The server that answered in place of the primary is not one: it is a standby, or it is read-only. After a failover, an old address can
 * lead to a server that was demoted. Reads with `after`, sessions and positions reject with this error, because nothing that
 * such a server says is new enough. Try again when the address leads to the primary.
 *
 * @example
 * ```ts
 * import { createReplicaFallback, NotPrimaryError } from 'kysely-replica-fallback';
 * import { walCatchUp } from 'kysely-replica-fallback/postgres';
 * import { primary, replica } from './databases.ts'; // two `Kysely<Database>`
 *
 * const read = createReplicaFallback({ primary, replica, catchUp: walCatchUp() });
 *
 * async function handle() {
 *   try {
 *     return Response.json(await read((db) => db.selectFrom('orders').selectAll().execute(), { after: 'now' }));
 *   } catch (error) {
 *     if (!(error instanceof NotPrimaryError)) throw error;
 *     return new Response('Try again soon.', { status: 503, headers: { 'retry-after': '1' } });
 *   }
 * }
 * ```
 */
export class NotPrimaryError extends Error {
  static {
    markErrors(this, 'NotPrimaryError');
  }
  override readonly name = 'NotPrimaryError';

  constructor() {
    super('The server that answered in place of the primary is a standby, or it is read-only.');
  }
}

/** For an option that takes no text: whatever text was given instead may be a connection string, a query or a row. */
export function invalidOption(
  option: string,
  expected: string,
  given: unknown,
): InvalidOptionError {
  return new InvalidOptionError(option, expected, given, kindOf(given));
}

function kindOf(value: unknown): string {
  return typeof value === 'string' && !SPELLS_A_VALUE.test(value) ? 'a string' : quote(value);
}

/** A number, with its unit, or a boolean: what a variable of the environment is that was not parsed. */
const SPELLS_A_VALUE = /^([-+]?[\d.]{0,20} ?[a-z%]{0,2}|true|false)$/;

/** Short enough for a message, and never the contents of an object, which may be a client with a password. */
function quote(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value);
    case 'function':
      return isNonEmptyString(value.name) ? `the function ${value.name}` : 'a function';
    case 'bigint':
      return `${value}n`;
    case 'object': {
      if (value === null) return 'null';
      if (Array.isArray(value)) return `an array of length ${value.length}`;
      const name: unknown = Object.getPrototypeOf(value)?.constructor?.name;
      return `an instance of ${isNonEmptyString(name) ? name : 'Object'}`;
    }
    default:
      return String(value);
  }
}
