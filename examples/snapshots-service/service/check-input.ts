import type { HonoRequest } from 'hono';
import { HTTPException } from 'hono/http-exception';
import * as z from 'zod';

/**
 * What somebody sent, as the schema reads it.
 *
 * @throws HTTPException that tells the first part of it that is not what it has to be
 */
export function checkInput<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  const issue = result.error.issues[0]!; // no failure is without one
  throw new HTTPException(400, { message: explain(issue) });
}

function explain(issue: z.core.$ZodIssue): string {
  const name = issue.path.length === 0 ? 'the body' : `\`${z.core.toDotPath(issue.path)}\``;
  return issue.code === 'unrecognized_keys'
    ? `Expected ${name} to have only ${issue.message}, got ${quote(issue.keys[0])}.`
    : `Expected ${name} to be ${issue.message}, got ${quote(issue.input)}.`;
}

/**
 * Reads a body that is JSON and says that it is, which a form of somebody else's page cannot do.
 *
 * @throws HTTPException for any other body
 */
export async function readJsonBody<T>(request: HonoRequest, schema: z.ZodType<T>): Promise<T> {
  const type = request.header('Content-Type') ?? '';
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    throw new HTTPException(400, {
      message: `Expected a body of type application/json, got ${quote(type)}.`,
    });
  }
  const body: unknown = await request.json().catch((error: unknown) => {
    if (!(error instanceof SyntaxError)) throw error;
    throw new HTTPException(400, { message: 'Expected the body to be JSON.' });
  });
  return checkInput(schema, body);
}

/** What somebody sent, short enough for a message. */
export function quote(value: unknown): string {
  const json = writeJson(value) ?? 'nothing';
  return json.length > 100 ? `${json.slice(0, 100)}…` : json;
}

function writeJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return 'what is nested too deeply'; // `JSON.parse` needs no stack, and `JSON.stringify` does
  }
}
