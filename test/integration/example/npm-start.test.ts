import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** A copy of the project that nobody has built yet, and `npm start` in it. */
function copyProject() {
  const project = mkdtempSync(join(tmpdir(), 'npm-start-'));
  onTestFinished(() => rmSync(project, { recursive: true }));
  for (const name of ['src', 'examples', 'package.json', 'tsconfig.json', 'tsconfig.build.json']) {
    cpSync(join(ROOT, name), join(project, name), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(project, 'node_modules'));
  return {
    add: (path: string, text: string) => writeFileSync(join(project, path), text),
    isBuilt: () => existsSync(join(project, 'dist/index.js')),
    // Without a port to serve on, the example ends as soon as it has begun.
    start: (...args: readonly string[]) =>
      promisify(execFile)('npm', ['start', ...args], {
        cwd: project,
        env: { ...process.env, PORT: 'none' },
      }),
  };
}

describe('npm start', () => {
  test('explains itself without a build', async () => {
    const { start, isBuilt } = copyProject();
    const { stdout } = await start('--', '--help');
    expect(stdout).toContain('Usage: npm start -- [--once | --record FOLDER] [--help]');
    expect(isBuilt()).toBe(false);
  });

  test('says that it builds the package, does so, and runs the example on it', async () => {
    const { start, isBuilt } = copyProject();
    await expect(start()).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^Building the package\.$/m),
      stderr: 'Expected `PORT` to be an integer from 0 to 65535, got "none".\n',
    });
    expect(isBuilt()).toBe(true);
  });

  test('runs nothing when the package cannot be built, and shows why', async () => {
    const { start, add } = copyProject();
    add('src/wrong.ts', "export const count: number = 'one';");
    await expect(start()).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringContaining("Type 'string' is not assignable to type 'number'."),
      stderr: 'The package could not be built.\n',
    });
  });
});
