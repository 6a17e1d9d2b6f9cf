import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { DatabaseUrls } from '../../../examples/snapshots-service/service/config.ts';
import { Violation } from '../checks/violation.ts';
import { now } from '../clock.ts';
import type { Command, Reply } from './messages.ts';

const SCRIPT = fileURLToPath(new URL('main.ts', import.meta.url));
const LINES_KEPT = 20;
const END_TIMEOUT_MS = 20_000;

/** The example's service, in a process of its own. */
export interface ServiceProcess {
  readonly url: string;
  /** How often the replica's errors made another server answer, and how often requests failed, by error. */
  readonly errors: ReadonlyMap<string, number>;
  /** How often it has warned that rows may be missing. */
  readonly warnings: number;
  /** Rejects as soon as the process ends without being told to, or warns. */
  readonly trouble: Promise<never>;
  /** Does nothing else for so long. */
  block(ms: number): void;
  readHeapBytes(): Promise<number>;
  /**
   * Ends it: takes no more requests, and waits until each pool has its clients back.
   *
   * @throws Violation when that does not come to an end
   */
  close(): Promise<void>;
  kill(): Promise<void>;
}

/** Starts it. Resolves when it listens. */
export async function startServiceProcess(urls: DatabaseUrls): Promise<ServiceProcess> {
  const child = fork(SCRIPT, {
    env: {
      ...process.env,
      DATABASE_URL: urls.primary,
      REPLICA_DATABASE_URL: urls.replica,
      LOG_LEVEL: 'warn',
      PORT: '',
    },
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  const errors = new Map<string, number>();
  let warnings = 0;
  const lastLines: string[] = [];
  createInterface({ input: child.stderr! }).on('line', (line) => {
    lastLines.push(`${now()}  ${line.slice(0, 1_000)}`);
    if (lastLines.length > LINES_KEPT) lastLines.shift();
    if (line.includes('rows may be missing')) warnings++;
    const error = errorIn(line);
    if (error !== undefined) errors.set(error, (errors.get(error) ?? 0) + 1);
  });

  let isTold = false;
  const ended = once(child, 'close').then(([code, signal]) => String(code ?? signal));
  const received = <Key extends keyof Reply>(key: Key) =>
    new Promise<NonNullable<Reply[Key]>>((resolve) => {
      const listen = (reply: Reply): void => {
        const value = reply[key];
        if (value === undefined) return;
        child.off('message', listen);
        resolve(value);
      };
      child.on('message', listen);
    });
  const trouble = Promise.race([
    ended.then((how) => `that it ended with ${how}`),
    received('warning').then((warning) => `a warning: ${warning}`),
  ]).then((seen): Promise<never> => {
    if (isTold) return new Promise(() => {});
    throw new Violation('the service lives', 'the service to run, silently', seen, lastLines);
  });
  trouble.catch(() => {}); // heard of by who races it
  const send = (command: Command): void => void child.send(command);

  const url = await Promise.race([received('url'), trouble]);
  return {
    url,
    errors,
    get warnings() {
      return warnings;
    },
    trouble,
    block: (ms) => send({ name: 'block', ms }),
    readHeapBytes() {
      const heapBytes = received('heapBytes');
      send({ name: 'read heap' });
      return Promise.race([heapBytes, trouble]);
    },
    async close() {
      isTold = true;
      send({ name: 'close' });
      const cutOff = setTimeout(() => child.kill('SIGKILL'), END_TIMEOUT_MS);
      const how = await ended;
      clearTimeout(cutOff);
      if (how === '0') return;
      const expected = `the service to close within ${END_TIMEOUT_MS} ms, with each client back in its pool`;
      const seen = `that it ended with ${how}`;
      throw new Violation('nothing is left behind', expected, seen, lastLines);
    },
    async kill() {
      isTold = true;
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** A line of the log is JSON, and has the error that a server gave, if it is about one. */
function errorIn(line: string): string | undefined {
  if (!line.startsWith('{')) return undefined;
  const { message, database, replicaError, error } = JSON.parse(line);
  if (database !== undefined) return undefined; // of a connection, whose query tells of it as well
  if (replicaError !== undefined) return `replica: ${describe(replicaError)}`;
  if (error === undefined) return undefined;
  return `${message === 'A request failed.' ? 'request' : 'read'}: ${describe(error)}`;
}

function describe({ type, code, message }: Record<string, unknown>): string {
  return [code ?? type, String(message).replaceAll(/[\d.]{5,}:\d+|"[^"]*"|\d+ ms/g, '…')].join(' ');
}
