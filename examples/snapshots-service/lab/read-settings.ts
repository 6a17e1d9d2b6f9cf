import type { HonoRequest } from 'hono';
import { HTTPException } from 'hono/http-exception';
import * as z from 'zod';
import { readJsonBody } from '../service/check-input.ts';
import { fields } from '../service/schemas.ts';
import { BOUNDS, type Bounds, type LabSettings } from './settings.ts';

const Patch = fields({
  lagMs: numberWithin(BOUNDS.lagMs),
  retryMinMs: numberWithin(BOUNDS.retryMinMs),
  retryMaxMs: numberWithin(BOUNDS.retryMaxMs),
  pollsPerSecond: numberWithin(BOUNDS.pollsPerSecond),
  runners: numberWithin(BOUNDS.runners),
  paused: z.boolean('true or false').exactOptional(),
});

/**
 * Reads what is to be changed.
 *
 * @param current - gives what stays as it is: the two ends of the retry window have to fit together
 * @throws HTTPException for the first field that is not what it has to be
 */
export async function readSettings(
  request: HonoRequest,
  current: () => LabSettings,
): Promise<Partial<LabSettings>> {
  const patch = await readJsonBody(request, Patch);
  const { retryMinMs, retryMaxMs } = { ...current(), ...patch };
  if (retryMinMs <= retryMaxMs) return patch;
  const expected =
    patch.retryMinMs === undefined
      ? `\`retryMaxMs\` to be at least \`retryMinMs\` (${retryMinMs}), got ${retryMaxMs}`
      : `\`retryMinMs\` to be at most \`retryMaxMs\` (${retryMaxMs}), got ${retryMinMs}`;
  throw new HTTPException(400, { message: `Expected ${expected}.` });
}

function numberWithin({ min, max, isInteger }: Bounds) {
  const expected = `${isInteger ? 'an integer' : 'a number'} from ${min} to ${max}`;
  const number = isInteger ? z.int(expected) : z.number(expected);
  return number.min(min, expected).max(max, expected).exactOptional();
}
