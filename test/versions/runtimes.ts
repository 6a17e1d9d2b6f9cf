import { join } from 'node:path';
import { packInto } from '../support/packed.ts';
import { manifest, versionsOf } from './claims.ts';

/** Something that runs JavaScript. */
interface Runtime {
  /** The npm package that holds its program, without a script that would have to download it. */
  readonly from: string;
  readonly program: string;
  /** What comes before the file. */
  readonly args: readonly string[];
}

const { platform, arch } = process;
const [oldest] = await versionsOf(`node-${platform}-${arch}`, manifest.engines.node);

const runtimes = {
  [`Node.js ${oldest}`]: node(`${oldest}`),
  'Node.js 22': node('22'),
  'Node.js 24': node('24'),
  Bun: {
    from: `@oven/bun-${platform}-${arch === 'arm64' ? 'aarch64' : arch}@1`,
    program: 'bin/bun',
    args: [],
  },
  Deno: {
    from: `@deno/${platform}-${arch}${platform === 'linux' ? '-glibc' : ''}@2`,
    program: 'deno',
    args: ['run', '--allow-all'],
  },
  'Node.js 26': node('26'),
} satisfies Record<string, Runtime>;

/** By name. The last one is the newest Node.js. */
export const RUNTIMES = Object.keys(runtimes);

function node(version: string): Runtime {
  return { from: `node-${platform}-${arch}@${version}`, program: 'bin/node', args: [] };
}

/** Installs all of them, for the commands that run a file with each. */
export async function installRuntimes() {
  const { project, run, [Symbol.asyncDispose]: remove } = await packInto('runtimes');
  const entries = Object.entries<Runtime>(runtimes);
  const packages = entries.map(([, { from }], index) => `runtime-${index}@npm:${from}`);
  await run('npm', 'install', '--ignore-scripts', '--prefer-offline', '--no-audit', ...packages);
  const commands = entries.map(([name, { program, args }], index): [string, string[]] => [
    name,
    [join(project, 'node_modules', `runtime-${index}`, program), ...args],
  ]);
  return { commands: new Map(commands), [Symbol.asyncDispose]: remove };
}
