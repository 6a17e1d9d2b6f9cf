/**
 * SQLSTATEs of a server that cannot answer now: it shuts down or starts up, has no connection to
 * spare, was too slow, or cancelled a read that was in the way of replay.
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const SQLSTATES = new Set(['57P01', '57P02', '57P03', '53300', '57014', '40001', '40P01']);

/** Codes of Node for a server that cannot be reached. */
const NETWORK_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
]);

/** How pg begins, without a code, about connections that broke off and about its own time-outs. */
const MESSAGES = [
  'Connection terminated',
  'Client has encountered a connection error',
  'Query read timeout',
  'timeout expired',
  'timeout exceeded when trying to connect',
];

/** Whether a database could not answer, so that the same request may succeed later. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return (
    SQLSTATES.has(code) ||
    code.startsWith('08') ||
    NETWORK_CODES.has(code) ||
    MESSAGES.some((message) => error.message.startsWith(message))
  );
}
