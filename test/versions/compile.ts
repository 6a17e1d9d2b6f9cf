import type { Consumer } from './managers.ts';

/** What to install for some versions of TypeScript, and for the types of what has none of its own. */
export function compilers(versions: readonly string[]): string[] {
  const named = versions.map((version) => `typescript-${version}@npm:typescript@${version}`);
  return [...named, '@types/node', '@types/pg'];
}

/** The errors that a version of TypeScript finds, in libraries as well. */
export async function compile(
  { run }: Consumer,
  version: string,
  ...args: readonly string[]
): Promise<string[]> {
  const compiler = `node_modules/typescript-${version}/bin/tsc`;
  const { stdout } = await run(process.execPath, compiler, '--pretty', 'false', ...args).catch(
    (failed: { stdout: string }) => {
      if (ERROR.test(failed.stdout)) return failed;
      throw failed;
    },
  );
  return stdout.split('\n').filter((line) => ERROR.test(line));
}

const ERROR = /\berror TS\d+:/;

export const STRICT =
  '--noEmit --strict --exactOptionalPropertyTypes --types node --target es2022 --lib es2022,esnext.disposable'.split(
    ' ',
  );

export const MODULES = [
  { resolution: 'nodenext', module: ['--module', 'nodenext'] },
  { resolution: 'bundler', module: ['--module', 'esnext', '--moduleResolution', 'bundler'] },
] as const;

/** Gone since TypeScript 7, and an error in 6. */
const NODE10 = {
  resolution: 'node10',
  module: ['--module', 'esnext', '--moduleResolution', 'node10', '--esModuleInterop'],
} as const;

/** The ways in which a version finds packages. */
export function modulesOf(version: string) {
  return Number.parseInt(version, 10) < 6 ? [...MODULES, NODE10] : MODULES;
}
