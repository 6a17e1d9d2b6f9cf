import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { inject } from 'vitest';

/** Runs a program to its end. Rejects with what it printed when it fails. */
export const run = promisify(execFile);

/** An empty project, and the package in it as npm would publish it. Without its scripts: it is built already. */
export async function packInto(prefix: string) {
  const project = await mkdtemp(join(tmpdir(), `${prefix}-`));
  await writeFile(join(project, 'package.json'), '{ "type": "module", "private": true }');
  const { stdout } = await run(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', project],
    { cwd: inject('built') },
  );
  const [packed] = JSON.parse(stdout);
  return {
    project,
    tarball: join(project, packed.filename),
    files: packed.files.map((file: { path: string }) => file.path) as string[],
    run: (command: string, ...args: readonly string[]) => run(command, args, { cwd: project }),
    [Symbol.asyncDispose]: () => rm(project, { recursive: true, force: true }),
  };
}
