import { appendFile, chown, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareEmbeddedBinaries, type EmbeddedBinaries } from './embedded-binaries.ts';
import { startEmbeddedServer, type EmbeddedServer } from './embedded-server.ts';
import { startReaper } from './reaper.ts';
import { runCommand, type CommandContext } from './run-command.ts';
import type { RunningServers } from '../running-servers.ts';
import { configurationOf } from '../server-settings.ts';
import { findServerUser } from './server-user.ts';

/** Runs PostgreSQL's own binaries, with all that they write in one temporary directory. */
export async function startEmbeddedServers(replicas: number): Promise<RunningServers> {
  const directory = await mkdtemp(join(tmpdir(), 'kysely-replica-fallback-'));
  const reaper = await startReaper(directory);
  try {
    const context = await createContext(directory);
    const binaries = await prepareEmbeddedBinaries(join(directory, 'binaries'), context);
    const [primary, ...standbys] = await startServers(directory, replicas, binaries, context);
    return { primary, replicas: standbys, dispose: () => reaper.reap() };
  } catch (error) {
    await reaper.reap().catch(() => {});
    throw error;
  }
}

async function createContext(directory: string): Promise<CommandContext> {
  // Variables such as PGSSLMODE are meant for somebody else, and messages are matched in English.
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('PG'));
  const context = { cwd: directory, env: { ...Object.fromEntries(own), LC_ALL: 'C' } };
  const user = await findServerUser();
  if (user === undefined) return context;
  await chown(directory, user.uid, user.gid);
  return { ...context, ...user };
}

/** The standbys are copies of the primary's data directory, taken before it was ever started. */
async function startServers(
  directory: string,
  replicas: number,
  { initdb, postgres }: EmbeddedBinaries,
  context: CommandContext,
): Promise<[EmbeddedServer, ...EmbeddedServer[]]> {
  const template = join(directory, 'primary');
  await runCommand(initdb, ['-D', template, ...INITDB_ARGUMENTS], context);
  // Not as arguments, which `initdb` takes only since PostgreSQL 16.
  await appendFile(join(template, 'postgresql.conf'), CONFIGURATION);
  const copies = Array.from({ length: replicas }, (_, index) =>
    join(directory, `replica-${index}`),
  );
  await Promise.all(copies.map((copy) => copyAsStandby(template, copy, context)));

  const start = (dataDirectory: string): Promise<EmbeddedServer> =>
    startEmbeddedServer({ ...context, postgres, dataDirectory });
  const primary = await start(template);
  const connection = `primary_conninfo = 'host=127.0.0.1 port=${primary.port} user=postgres'\n`;
  const standbys = await Promise.all(
    copies.map(async (copy) => {
      await appendFile(join(copy, 'postgresql.conf'), connection);
      return start(copy);
    }),
  );
  return [primary, ...standbys];
}

const INITDB_ARGUMENTS = [
  '--username=postgres',
  '--auth=trust',
  '--encoding=UTF8',
  '--locale=C',
  '--no-sync',
  '--no-instructions',
];

const CONFIGURATION = configurationOf({
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
});

/** Copied by the servers' user, who then owns the copy. */
async function copyAsStandby(from: string, to: string, context: CommandContext): Promise<void> {
  await runCommand('cp', ['-Rp', from, to], context);
  await runCommand('touch', [join(to, 'standby.signal')], context);
}
