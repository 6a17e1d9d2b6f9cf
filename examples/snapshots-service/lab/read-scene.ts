import type { HonoRequest } from 'hono';
import { quote, readJsonBody } from '../service/json-body.ts';
import { RequestError } from '../service/problem.ts';
import { type Scene, SCENES } from './scenes.ts';

/**
 * Reads which scene is to be played, or `null` for none.
 *
 * @throws RequestError when there is no such scene
 */
export async function readScene(request: HonoRequest): Promise<Scene | null> {
  const { name } = await readJsonBody(request, ['name']);
  if (name === null) return null;
  const scene = SCENES.find((each) => each.name === name);
  if (scene !== undefined) return scene;
  const names = SCENES.map((each) => each.name).join(', ');
  throw new RequestError(
    400,
    `Expected \`name\` to be one of ${names}, or null, got ${quote(name)}.`,
  );
}
