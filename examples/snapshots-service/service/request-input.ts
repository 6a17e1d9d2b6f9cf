import type { HonoRequest } from 'hono';
import { asObject, quote, readJsonBody } from './json-body.ts';
import { RequestError } from './problem.ts';
import type { NewSnapshot } from './snapshot-writer.ts';

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;
const HIGHEST_LIMIT = 1000;
const MOST_WAITPOINTS = 100;

/** Reads an id from the path, where the name stands after a colon. */
export function readId(request: HonoRequest, name: string): string {
  const id = request.param(name) ?? '';
  if (UUID.test(id)) return id.toLowerCase();
  throw new RequestError(400, `Expected \`${name}\` to be a UUID, got ${quote(id)}.`);
}

/** Reads `?limit=`, or `undefined` when there is none. */
export function readLimit(request: HonoRequest): number | undefined {
  const [limit, ...others] = request.queries('limit') ?? [];
  if (limit === undefined) return undefined;
  const isValid = /^\d+$/.test(limit) && Number(limit) >= 1 && Number(limit) <= HIGHEST_LIMIT;
  if (isValid && others.length === 0) return Number(limit);
  const given = others.length === 0 ? quote(limit) : 'several';
  throw new RequestError(
    400,
    `Expected \`limit\` to be an integer from 1 to ${HIGHEST_LIMIT}, got ${given}.`,
  );
}

/**
 * Reads the body of a request that adds a snapshot. An empty body is a snapshot with nothing
 * special.
 */
export async function readNewSnapshot(request: HonoRequest): Promise<NewSnapshot> {
  if ((await request.text()) === '') return { waitpoints: [] };
  const fields = await readJsonBody(request, ['executionStatus', 'description', 'waitpoints']);
  const waitpoints = fields['waitpoints'] ?? [];
  if (!Array.isArray(waitpoints) || waitpoints.length > MOST_WAITPOINTS) {
    throw new RequestError(
      400,
      `Expected \`waitpoints\` to be an array of at most ${MOST_WAITPOINTS}.`,
    );
  }
  return {
    executionStatus: asText('executionStatus', fields['executionStatus']),
    description: asText('description', fields['description']),
    waitpoints: waitpoints.map((waitpoint: unknown, index) => {
      const name = `waitpoints[${index}]`;
      return {
        output: asText(`${name}.output`, asObject(`\`${name}\``, waitpoint, ['output'])['output']),
      };
    }),
  };
}

/** PostgreSQL has no text with a NUL in it. */
function asText(name: string, value: unknown): string | undefined {
  if (value === undefined || (typeof value === 'string' && !value.includes('\0'))) return value;
  throw new RequestError(400, `Expected \`${name}\` to be a string without NUL characters.`);
}
