import { isObject } from '../is-object.ts';
import { type ErrorClassifier, errorClassifier } from '../classifier.ts';

/** What a driver says of an error. */
export interface DriverError {
  readonly message: string;
  /** The same with what stands before it: knex writes the statement and " - ". */
  readonly wholeMessage: string;
  /** A SQLSTATE, or a name. Empty when there is none. */
  readonly code: string;
  /** The server's number, where a driver tells it. */
  readonly errno: unknown;
  /** The function of the server that reported it, which no language changes. Empty when a driver does not tell. */
  readonly routine: string;
}

/** Asks of the error and of what it was made of: Drizzle, Prisma and others wrap what the driver threw. */
export function someError(isOne: (error: DriverError) => boolean): ErrorClassifier {
  return errorClassifier((error) => {
    let cause: unknown = isErrorLike(error) ? error : undefined;
    for (let depth = 0; isObject(cause) && depth < 5; depth++) {
      if (isOne(read(cause))) return true;
      cause = causeOf(cause);
    }
    return false;
  });
}

/** By its shape: in Jest, what Node.js throws is no instance of a test's `Error`. */
function isErrorLike(error: unknown): boolean {
  return isObject(error) && 'message' in error && typeof error.message === 'string';
}

/** What a driver throws, or what Prisma's adapter makes of it. */
interface Thrown {
  readonly message?: unknown;
  readonly code?: unknown;
  /** The code of a `PrismaClientInitializationError`. */
  readonly errorCode?: unknown;
  readonly errno?: unknown;
  readonly routine?: unknown;
  readonly cause?: unknown;
  readonly meta?: Meta | undefined;
  readonly kind?: unknown;
  readonly originalCode?: unknown;
  readonly originalMessage?: unknown;
}

/** What Prisma says of an error: what its adapter threw, or from its older engine, the SQLSTATE of a raw query. */
interface Meta {
  readonly driverAdapterError?: unknown;
  readonly code?: unknown;
}

function read(error: Thrown): DriverError {
  const { kind, originalCode = kind, errorCode = originalCode, errno, routine } = error;
  const { code = errorCode } = error;
  const { originalMessage, message = originalMessage } = error;
  const said = textOf(message);
  // knex writes the statement before what pg says. Drizzle ends with the parameters, which may be anything, but has a cause.
  const last = causeOf(error) === undefined ? said.split(' - ').at(-1) : said;
  return {
    code: textOf(code),
    errno,
    message: textOf(last),
    wholeMessage: said,
    routine: textOf(routine),
  };
}

/** What is no text may be anything, and need not become one. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function causeOf({ meta, cause }: Thrown): unknown {
  return meta?.driverAdapterError ?? (meta?.code === undefined ? cause : meta);
}

/**
 * Node.js, or Prisma's older engine, says that there is no connection, or no longer. A server that was stopped has taken its
 * socket along. https://nodejs.org/api/errors.html#common-system-errors
 */
export function isNetworkError({ code, message }: DriverError): boolean {
  return (
    NETWORK_CODES.test(code) ||
    PRISMA_CODES.test(code) ||
    (code === 'ENOENT' && message.startsWith('connect '))
  );
}

const NETWORK_CODES =
  /^E(CONNREFUSED|CONNRESET|CONNABORTED|PIPE|TIMEDOUT|HOSTUNREACH|NETUNREACH|HOSTDOWN|NOTFOUND|AI_AGAIN)$/;

/**
 * Cannot reach the server, nor in time; a socket that timed out; the server has closed the connection; the pool had none in
 * time; too many connections. https://www.prisma.io/docs/orm/reference/error-reference
 */
const PRISMA_CODES = /^P(1001|1002|1008|1017|2024|2037)$/;
