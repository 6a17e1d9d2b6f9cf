import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chown, constants, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePort } from '../../src/testing/cluster/embedded/free-port.ts';
import { findServerUser } from '../../src/testing/cluster/embedded/server-user.ts';
import { pollUntil } from '../../src/testing/cluster/poll-until.ts';

/** A program that stands between clients and PostgreSQL, and listens on a free port of 127.0.0.1. */
export interface CompanionServer {
  readonly port: number;
  /** Ends it, and removes all that it wrote. */
  readonly stop: () => Promise<void>;
}

interface Program {
  readonly path: string;
  /** What its configuration file says. */
  readonly configure: (port: number) => string;
  readonly args: (configurationFile: string) => readonly string[];
}

/** Where a program of the system is. `undefined` when it is not installed. */
export async function findProgram(name: string): Promise<string | undefined> {
  const directories = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'];
  for (const directory of directories) {
    const path = join(directory, name);
    if (await access(path, constants.X_OK).then(...YES_OR_NO)) return path;
  }
  return undefined;
}

const YES_OR_NO = [() => true, () => false] as const;

/** Resolves when it accepts connections; rejects with its log when it does not come to that. */
export async function startCompanionServer(program: Program): Promise<CompanionServer> {
  const port = await findFreePort();
  const directory = await mkdtemp(join(tmpdir(), 'kysely-replica-fallback-companion-'));
  const configurationFile = join(directory, 'configuration');
  await writeFile(configurationFile, program.configure(port));
  const user = await findServerUser();
  if (user !== undefined) await chown(directory, user.uid, user.gid);

  const command = [program.path, ...program.args(configurationFile)];
  const keeper = spawn('/bin/sh', ['-c', SCRIPT, 'keeper', directory, ...command], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    ...user,
  });
  await once(keeper, 'spawn');
  const exit = once(keeper, 'exit');
  const stop = async () => {
    keeper.stdin.destroy();
    await exit;
  };
  let log = '';
  try {
    await pollUntil(
      async () => {
        log = await readFile(join(directory, 'log'), 'utf8').catch(() => '');
        return accepts(port);
      },
      10_000,
      () => `${program.path} does not listen. Its log:\n${log}`,
    );
    return { port, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Its standard input ends with this process, however that ends: then the program goes, and what it wrote. */
const SCRIPT = `
directory=$1
shift
"$@" >"$directory/log" 2>&1 &
program=$!
read -r _
kill "$program"
wait "$program"
rm -rf "$directory"`;

async function accepts(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
