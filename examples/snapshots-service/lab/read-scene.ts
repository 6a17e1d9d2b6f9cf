import type { HonoRequest } from 'hono';
import * as z from 'zod';
import { readJsonBody } from '../service/check-input.ts';
import { fields } from '../service/schemas.ts';
import { type Scene, SCENES } from './scenes.ts';

const names = SCENES.map(({ name }) => name);
const Choice = fields({ name: z.enum(names, `one of ${names.join(', ')}, or null`).nullable() });

/** Reads which scene is to be played, or `null` for none. */
export async function readScene(request: HonoRequest): Promise<Scene | null> {
  const choice = await readJsonBody(request, Choice);
  return SCENES.find(({ name }) => name === choice.name) ?? null;
}
