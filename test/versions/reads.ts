import { readFile, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Consumer } from './managers.ts';

/** The program that checks what the package promises, whatever runs it. */
export const READS = await readFile(
  fileURLToPath(new URL('consumer/reads.ts', import.meta.url)),
  'utf8',
);

/** What it prints when it has checked all of them. */
export const PROMISES = [...READS.matchAll(/^ {2}async '(.*)'\(\) \{$/gm)].map(
  ([, promise]) => promise,
);

/** Runs it in a project, for the lines that it prints. As JavaScript: the oldest Node.js takes nothing else. */
export async function runReads(
  { project, run }: Consumer,
  [runtime = process.execPath, ...args]: readonly string[] = [],
): Promise<string[]> {
  await writeFile(join(project, 'reads.js'), stripTypeScriptTypes(READS));
  const { stdout } = await run(runtime, ...args, 'reads.js');
  return stdout.trimEnd().split('\n');
}
