import { execFile } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { copyProject } from '../support/project-copy.ts';

/** A copy of the project that nobody has built yet, and `npm start` in it. */
function openProject() {
  const { root, remove } = copyProject();
  onTestFinished(remove);
  return {
    add: (path: string, text: string) => writeFileSync(join(root, path), text),
    isBuilt: () => existsSync(join(root, 'dist/index.js')),
    // Without a port to serve on, the example ends as soon as it has begun.
    start: (...args: readonly string[]) =>
      promisify(execFile)('npm', ['start', ...args], {
        cwd: root,
        env: { ...process.env, PORT: 'none' },
      }),
  };
}

describe('npm start', () => {
  test('explains itself without a build', async () => {
    const { start, isBuilt } = openProject();
    const { stdout } = await start('--', '--help');
    expect(stdout).toContain('Usage: npm start -- [--once | --record FOLDER] [--help]');
    expect(isBuilt()).toBe(false);
  });

  test('says that it builds the package, does so, and runs the example on it', async () => {
    const { start, isBuilt } = openProject();
    await expect(start()).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^Building the package\.$/m),
      stderr: 'Expected `PORT` to be an integer from 0 to 65535, got "none".\n',
    });
    expect(isBuilt()).toBe(true);
  });

  test('runs nothing when the package cannot be built, and shows why', async () => {
    const { start, add } = openProject();
    add('src/wrong.ts', "export const count: number = 'one';");
    await expect(start()).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringContaining("Type 'string' is not assignable to type 'number'."),
      stderr: 'The package could not be built.\n',
    });
  });
});
