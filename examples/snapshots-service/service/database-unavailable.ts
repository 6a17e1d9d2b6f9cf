import { anyOf, NotPrimaryError } from 'kysely-replica-fallback';
import { connectionLost } from 'kysely-replica-fallback/postgres';

/**
 * SQLSTATEs of a server that has no connection to spare, was too slow, cancelled a query that was in the way of
 * another or of replay, or is a standby that was to write. https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const SQLSTATES = new Set(['53300', '57014', '40001', '40P01', '25006']);

/** Whether a database could not answer, so that the same request may succeed later. */
export const isDatabaseUnavailable = anyOf(
  connectionLost,
  // During a failover, the primary's address may lead to a standby.
  (error) => error instanceof NotPrimaryError,
  (error) =>
    error instanceof Error &&
    // What pg says when its own `query_timeout` is up has no code.
    (error.message === 'Query read timeout' ||
      ('code' in error && SQLSTATES.has(String(error.code)))),
);
