import { execFileSync } from 'node:child_process';
import type { TestProject } from 'vitest/node';
import { copyProject } from '../project-copy.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where a copy of the package lies that is built. The one here may be built anew meanwhile. */
    readonly built: string;
  }
}

/** Built once in a run, although each project loads this module for itself. */
const BUILT = Symbol.for('kysely-replica-fallback/test/built');
const run = globalThis as { [BUILT]?: ReturnType<typeof build> };

/** Builds a copy of the package, for the tests that use it as others do. */
export default async function setup(project: TestProject): Promise<() => void> {
  const copy = (run[BUILT] ??= build());
  project.provide('built', copy.root);
  return () => copy.remove();
}

function build() {
  const copy = copyProject();
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: copy.root, stdio: 'inherit' });
  return copy;
}
