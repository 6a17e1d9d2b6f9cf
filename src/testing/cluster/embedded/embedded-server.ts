import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { listChildProcesses } from './child-processes.ts';
import { findFreePort } from './free-port.ts';
import { pollUntil } from '../poll-until.ts';
import type { ServerControl } from '../running-servers.ts';
import { isAlive, startPostgres, type ServerHome } from './start-postgres.ts';

const START_ATTEMPTS = 50;
const RETRY_AFTER_MS = 100;
/** Somebody was faster to the port, or the sessions of a server that was killed are not quite gone yet. */
const PASSING_TROUBLE = /Address already in use|pre-existing shared memory block/;
const END_TIMEOUT_MS = 60_000;

export interface EmbeddedServer extends ServerControl {
  readonly port: number;
}

/** Starts the server of a data directory, on a free port of 127.0.0.1 that it keeps from then on. */
export async function startEmbeddedServer(home: ServerHome): Promise<EmbeddedServer> {
  let { server, port } = await startPatiently(home, findFreePort);

  return {
    port,
    connectionString: `postgres://postgres@127.0.0.1:${port}/postgres`,
    async start() {
      if (!isAlive(server)) ({ server } = await startPatiently(home, async () => port));
    },
    async stop() {
      server.kill('SIGINT');
      await waitForEnd(server);
    },
    async kill() {
      const sessions = await listSessions(server);
      server.kill('SIGKILL');
      // They would go by themselves, but a busy one only when its query is done, and a crash does not wait for that.
      for (const session of sessions) killIfAlive(session);
      await waitForEnd(server);
    },
  };
}

interface StartedServer {
  readonly server: ChildProcess;
  readonly port: number;
}

async function startPatiently(
  home: ServerHome,
  choosePort: () => Promise<number>,
): Promise<StartedServer> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await choosePort();
    try {
      return { server: await startPostgres(home, port), port };
    } catch (error) {
      if (attempt === START_ATTEMPTS || !PASSING_TROUBLE.test(String(error))) throw error;
      await sleep(RETRY_AFTER_MS);
    }
  }
}

async function listSessions(server: ChildProcess): Promise<number[]> {
  return isAlive(server) && server.pid !== undefined ? listChildProcesses(server.pid) : [];
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone by itself.
  }
}

function waitForEnd(server: ChildProcess): Promise<void> {
  return pollUntil(
    () => !isAlive(server),
    END_TIMEOUT_MS,
    () => `PostgreSQL did not end within ${END_TIMEOUT_MS} ms.`,
  );
}
