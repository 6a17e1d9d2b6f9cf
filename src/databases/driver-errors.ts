import { isObject } from '../is-object.ts';
import type { ErrorClassifier } from '../miss.ts';

/** What a driver says of an error. */
interface DriverError {
  readonly message: string;
  /** A SQLSTATE, or a name. Empty when there is none. */
  readonly code: string;
  /** The server's number, where a driver tells it. */
  readonly errno: unknown;
}

/** Asks of the error and of what it was made of: Drizzle, Prisma and others wrap what the driver threw. */
export function someError(isOne: (error: DriverError) => boolean): ErrorClassifier {
  return (error) => {
    let cause: unknown = isErrorLike(error) ? error : undefined;
    for (let depth = 0; isObject(cause) && depth < 5; depth++) {
      if (isOne(read(cause))) return true;
      cause = causeOf(cause);
    }
    return false;
  };
}

/** By its shape: in Jest, what Node.js throws is no instance of a test's `Error`. */
function isErrorLike(error: unknown): boolean {
  return isObject(error) && 'message' in error && typeof error.message === 'string';
}

/** What a driver throws, or what Prisma's adapter makes of it. */
interface Thrown {
  readonly message?: unknown;
  readonly code?: unknown;
  readonly errno?: unknown;
  readonly cause?: unknown;
  readonly meta?: { readonly driverAdapterError?: unknown };
  readonly kind?: unknown;
  readonly originalCode?: unknown;
  readonly originalMessage?: unknown;
}

function read(error: Thrown): DriverError {
  const { kind, originalCode = kind, code = originalCode, errno } = error;
  const { originalMessage, message = originalMessage } = error;
  const said = textOf(message);
  // knex writes the statement before what pg says. Drizzle ends with the parameters, which may be anything, but has a cause.
  const last = causeOf(error) === undefined ? said.split(' - ').at(-1) : said;
  return { code: textOf(code), errno, message: textOf(last) };
}

/** What is no text may be anything, and need not become one. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function causeOf({ meta, cause }: Thrown): unknown {
  return meta?.driverAdapterError ?? cause;
}

/**
 * Node.js says that there is no connection, or no longer. A server that was stopped has taken its socket along.
 * https://nodejs.org/api/errors.html#common-system-errors
 */
export function isNetworkError({ code, message }: DriverError): boolean {
  return NETWORK_CODES.test(code) || (code === 'ENOENT' && message.startsWith('connect '));
}

const NETWORK_CODES =
  /^E(CONNREFUSED|CONNRESET|CONNABORTED|PIPE|TIMEDOUT|HOSTUNREACH|NETUNREACH|HOSTDOWN|NOTFOUND|AI_AGAIN)$/;
