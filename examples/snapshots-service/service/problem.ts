import { STATUS_CODES } from 'node:http';
import type { Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { PrimaryBudgetExceededError } from 'kysely-replica-fallback';
import { SnapshotNotFoundError } from 'kysely-replica-fallback/snapshots';
import { ConflictError } from './conflict-error.ts';
import { isDatabaseUnavailable } from './database-unavailable.ts';
import { RunNotFoundError } from './run-not-found-error.ts';

/**
 * What a client is told about a request that failed. Never an error's own words, unless they are
 * meant for clients.
 */
export interface Problem {
  readonly status: ContentfulStatusCode;
  readonly detail: string;
  /** Seconds after which the same request is worth another try. */
  readonly retryAfter?: number;
}

/** Says in a client's words what an error means for it. */
export function toProblem(error: unknown): Problem {
  if (error instanceof HTTPException) return { status: error.status, detail: error.message };
  if (error instanceof SnapshotNotFoundError || error instanceof RunNotFoundError) {
    return { status: 404, detail: error.message };
  }
  if (error instanceof ConflictError) return { status: 409, detail: error.message };
  if (error instanceof PrimaryBudgetExceededError || isDatabaseUnavailable(error)) {
    return { status: 503, detail: 'A database does not answer. Try again soon.', retryAfter: 1 };
  }
  return { status: 500, detail: 'Something went wrong. It has been logged.' };
}

/** Answers with a problem: https://www.rfc-editor.org/rfc/rfc9457 */
export function sendProblem(c: Context, { status, detail, retryAfter }: Problem): Response {
  const headers = { 'Content-Type': 'application/problem+json' };
  return c.body(
    JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status], status, detail }),
    status,
    retryAfter === undefined ? headers : { ...headers, 'Retry-After': String(retryAfter) },
  );
}
