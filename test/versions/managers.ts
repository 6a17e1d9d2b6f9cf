import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packInto, run } from '../support/packed.ts';
import { manifest } from './claims.ts';

/** How a package manager adds packages, without the install scripts that nobody approved. */
interface Manager {
  readonly add: readonly string[];
  /** What has to be in the project before. */
  readonly files?: Readonly<Record<string, string>>;
  /** What makes Node.js find the packages. */
  readonly node?: readonly string[];
}

/** Without a lock file of its own, Yarn would look for the project in the folders above. */
const yarn = (settings: string): Manager => ({
  add: ['npx', '--yes', '@yarnpkg/cli-dist@4', 'add'],
  files: { 'yarn.lock': '', '.yarnrc.yml': settings },
});

const managers = {
  npm: { add: ['npm', 'install', '--ignore-scripts', '--prefer-offline', '--no-audit'] },
  // By default pnpm installs everything, and then fails because it left the scripts out.
  pnpm: { add: ['npx', '--yes', 'pnpm@12', 'add', '--config.strict-dep-builds=false'] },
  "Yarn Plug'n'Play": {
    ...yarn('nodeLinker: pnp'),
    node: ['--require', './.pnp.cjs', '--experimental-loader', './.pnp.loader.mjs'],
  },
  'Yarn with node_modules': yarn('nodeLinker: node-modules'),
  'Yarn 1': { add: ['npx', '--yes', 'yarn@1', 'add', '--ignore-scripts'] },
} satisfies Record<string, Manager>;

export type ManagerName = keyof typeof managers;

export const MANAGERS = Object.keys(managers) as ManagerName[];

/** A project that has installed the packed package. */
export type Consumer = Awaited<ReturnType<typeof installWith>>;

/** A project in which `name` has installed the packed package beside others. */
export async function installWith(name: ManagerName, packages: readonly string[]) {
  const consumer = await packInto('consumer');
  const { add, files = {}, node = [] }: Manager = managers[name];
  for (const [file, text] of Object.entries(files)) {
    await writeFile(join(consumer.project, file), text);
  }
  const packed = `${manifest.name}@file:${consumer.tarball}`;
  try {
    await consumer.run('env', ...(await registry()), ...add, packed, ...packages);
  } catch (error) {
    await consumer[Symbol.asyncDispose]();
    throw error;
  }
  return { ...consumer, node };
}

/** Yarn does not ask npm for it. */
async function registry(): Promise<string[]> {
  const { stdout } = await run('npm', ['config', 'get', 'registry']);
  return ['YARN_NPM_REGISTRY_SERVER', 'YARN_REGISTRY'].map((name) => `${name}=${stdout.trim()}`);
}
