import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import mysql from 'mysql2/promise';
import type { CommandContext } from '../../../src/testing/cluster/embedded/run-command.ts';
import { findFreePort } from '../../../src/testing/cluster/embedded/free-port.ts';

/** A server of MariaDB or MySQL on a port of 127.0.0.1 that it keeps. */
export interface DatabaseServer {
  readonly port: number;
  /** `mysql://…`, for a user who may do everything. */
  readonly connectionString: string;
  /** Runs a statement, and gives the first column of each of its rows. */
  ask(sql: string, ...parameters: readonly string[]): Promise<unknown[]>;
  /** Resolves when it accepts connections. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** With SIGKILL. */
  kill(): Promise<void>;
}

/** Where a server lives, and how its program is called. */
export interface ServerHome {
  readonly context: CommandContext;
  readonly program: string;
  readonly dataDirectory: string;
  readonly settings: readonly string[];
}

const READY_TIMEOUT_MS = 60_000;
const START_ATTEMPTS = 5;

/** Starts a server, which ends with this process at the latest. */
export async function startDatabaseServer(home: ServerHome): Promise<DatabaseServer> {
  let port = await findFreePort();
  let end: ((signal: string) => Promise<void>) | undefined;

  const ask = async (sql: string, ...parameters: readonly string[]) => {
    const connection = await mysql.createConnection(addressOf(port));
    try {
      const [rows] = await connection.query({ sql, rowsAsArray: true }, [...parameters]);
      return Array.isArray(rows) ? rows.map((row) => Object.values(row)[0]) : [];
    } finally {
      connection.destroy();
    }
  };
  const start = async () => {
    end ??= await run(home, port, async () => (await ask('select 1')).length === 1);
  };
  const endBy = (signal: string) => async () => {
    await end?.(signal);
    end = undefined;
  };
  for (let attempt = 1; ; attempt++) {
    try {
      await start();
      break;
    } catch (error) {
      // Somebody was faster to the port.
      if (attempt === START_ATTEMPTS || !/address already in use/i.test(String(error))) throw error;
      port = await findFreePort();
    }
  }
  return {
    port,
    connectionString: addressOf(port),
    ask,
    start,
    stop: endBy('TERM'),
    kill: endBy('KILL'),
  };
}

function addressOf(port: number): string {
  return `mysql://service@127.0.0.1:${port}/service`;
}

/** Resolves with what ends it when it is ready; rejects with its log when it does not come to that. */
async function run(
  { context, program, dataDirectory, settings }: ServerHome,
  port: number,
  isReady: () => Promise<boolean>,
): Promise<(signal: string) => Promise<void>> {
  const log = await open(join(dataDirectory, 'server.log'), 'w+');
  try {
    const args = [...settings, `--datadir=${dataDirectory}`, `--port=${port}`];
    const keeper = spawn('/bin/sh', ['-c', SCRIPT, 'keeper', program, ...args], {
      ...context,
      detached: true,
      stdio: ['pipe', log.fd, log.fd],
    });
    await once(keeper, 'spawn');
    const exit = once(keeper, 'exit');
    const end = async (signal: string) => {
      keeper.stdin?.end(`${signal}\n`);
      await exit;
    };
    const deadline = performance.now() + READY_TIMEOUT_MS;
    while (!(await isReady().catch(() => false))) {
      const { buffer, bytesRead } = await log.read({
        buffer: Buffer.alloc(1_000_000),
        position: 0,
      });
      const text = buffer.toString('utf8', 0, bytesRead);
      if (performance.now() > deadline || /\[ERROR\].*Aborting/.test(text)) {
        await end('KILL');
        throw new Error(`${program} did not start. Its log:\n${text}`);
      }
      await sleep(20);
    }
    return end;
  } finally {
    await log.close();
  }
}

/** Its standard input says how the server has to end, or ends with this process, however that ends. */
const SCRIPT = `
"$@" &
program=$!
read -r signal
kill -s "\${signal:-KILL}" "$program"
wait "$program"`;
