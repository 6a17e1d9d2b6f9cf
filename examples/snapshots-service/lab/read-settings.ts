import type { HonoRequest } from 'hono';
import { quote, readJsonBody } from '../service/json-body.ts';
import { RequestError } from '../service/problem.ts';
import { BOUNDS, type LabSettings, NUMBERS } from './settings.ts';

const SWITCHES = ['paused', 'fallback'] as const;

/**
 * Reads what is to be changed.
 *
 * @param current - gives what stays as it is: the two ends of the retry window have to fit together
 * @throws RequestError for the first field that is not what it has to be
 */
export async function readSettings(
  request: HonoRequest,
  current: () => LabSettings,
): Promise<Partial<LabSettings>> {
  const fields = await readJsonBody(request, [...NUMBERS, ...SWITCHES]);
  const patch: { -readonly [Name in keyof LabSettings]?: LabSettings[Name] } = {};
  for (const name of NUMBERS) {
    if (fields[name] !== undefined) patch[name] = asNumber(name, fields[name]);
  }
  for (const name of SWITCHES) {
    if (fields[name] !== undefined) patch[name] = asSwitch(name, fields[name]);
  }
  const { retryMinMs, retryMaxMs } = { ...current(), ...patch };
  if (retryMinMs <= retryMaxMs) return patch;
  const expected =
    patch.retryMinMs === undefined
      ? `\`retryMaxMs\` to be at least \`retryMinMs\` (${retryMinMs}), got ${retryMaxMs}`
      : `\`retryMinMs\` to be at most \`retryMaxMs\` (${retryMaxMs}), got ${retryMinMs}`;
  throw new RequestError(400, `Expected ${expected}.`);
}

function asNumber(name: keyof typeof BOUNDS, value: unknown): number {
  const { min, max, isInteger } = BOUNDS[name];
  const isValid = typeof value === 'number' && value >= min && value <= max;
  if (isValid && (!isInteger || Number.isInteger(value))) return value;
  const kind = isInteger ? 'an integer' : 'a number';
  throw new RequestError(
    400,
    `Expected \`${name}\` to be ${kind} from ${min} to ${max}, got ${quote(value)}.`,
  );
}

function asSwitch(name: keyof LabSettings, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new RequestError(400, `Expected \`${name}\` to be true or false, got ${quote(value)}.`);
}
