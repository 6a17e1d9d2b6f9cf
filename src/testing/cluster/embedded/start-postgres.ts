import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { pollUntil } from '../poll-until.ts';
import type { CommandContext } from './run-command.ts';

const READY_TIMEOUT_MS = 60_000;

/** What is needed to run the server of one data directory. */
export interface ServerHome extends CommandContext {
  /** The path of the program `postgres`. */
  readonly postgres: string;
  readonly dataDirectory: string;
}

/**
 * Resolves when the server accepts connections; rejects with the end of its log when it does not come to that. The
 * server is a direct child and not a daemon of `pg_ctl`: so its end is known at once, and in a container whose first
 * process collects no orphans it does not stay behind as a zombie that PostgreSQL takes for a running server.
 */
export async function startPostgres(home: ServerHome, port: number): Promise<ChildProcess> {
  const { postgres, dataDirectory, ...context } = home;
  const log = await open(join(dataDirectory, 'server.log'), 'a+');
  try {
    const { size: logStart } = await log.stat();
    const server = spawn(postgres, ['-D', dataDirectory, '-p', String(port)], {
      ...context,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    server.once('exit', () => ended.add(server));
    await once(server, 'spawn');
    server.unref();
    await pollUntil(
      async () => !isAlive(server) || (await isReady(server, dataDirectory)),
      READY_TIMEOUT_MS,
      () => `PostgreSQL was not ready within ${READY_TIMEOUT_MS} ms.`,
    );
    if (isAlive(server)) return server;
    throw new Error(
      `PostgreSQL did not start on port ${port}. Its log ends with:\n${await readTail(log, logStart)}`,
    );
  } finally {
    await log.close();
  }
}

/** Those whose end was heard of. In Deno, `signalCode` is set as soon as a signal is sent. */
const ended = new WeakSet<ChildProcess>();

export function isAlive(server: ChildProcess): boolean {
  return !ended.has(server);
}

/** The first line of the pid file is the pid, and the eighth the state. A file of an earlier run may lie there. */
async function isReady(server: ChildProcess, dataDirectory: string): Promise<boolean> {
  const pidFile = await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8').catch(() => '');
  const lines = pidFile.split('\n');
  return Number(lines[0]) === server.pid && lines[7]?.trim() === 'ready';
}

async function readTail(log: FileHandle, start: number): Promise<string> {
  const { size } = await log.stat();
  const { buffer } = await log.read({ buffer: Buffer.alloc(size - start), position: start });
  return buffer.toString().trimEnd().split('\n').slice(-20).join('\n');
}
