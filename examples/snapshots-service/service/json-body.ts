import type { HonoRequest } from 'hono';
import { RequestError } from './problem.ts';

/**
 * Reads a body that is a JSON object.
 *
 * @param known - the fields that it may have
 * @throws RequestError for any other body, also for JSON that does not say that it is JSON
 */
export async function readJsonBody(
  request: HonoRequest,
  known: readonly string[],
): Promise<Readonly<Record<string, unknown>>> {
  const type = request.header('Content-Type') ?? '';
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    throw new RequestError(400, `Expected a body of type application/json, got ${quote(type)}.`);
  }
  return asObject('the body', parse(await request.text()), known);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RequestError(400, 'Expected the body to be JSON.');
  }
}

/** The value, if it is an object with no other fields than those that are known. */
export function asObject(
  name: string,
  value: unknown,
  known: readonly string[],
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RequestError(400, `Expected ${name} to be an object.`);
  }
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown === undefined) return { ...value };
  throw new RequestError(
    400,
    `Expected ${name} to have only ${known.join(', ')}, got ${quote(unknown)}.`,
  );
}

/** A value that somebody sent, short enough for a message. */
export function quote(value: unknown): string {
  if (typeof value === 'string') {
    return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value);
  }
  const json = JSON.stringify(value) ?? 'nothing';
  return json.length > 100 ? `${json.slice(0, 100)}…` : json;
}
