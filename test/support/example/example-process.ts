import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { inject, onTestFinished, vi } from 'vitest';

/** An example that runs as a process of its own, on the package as it was built. */
export interface ExampleProcess {
  readonly pid: number;
  /** What it has printed so far. */
  readonly output: { stdout: string; stderr: string };
  /** Its exit code, or the signal that ended it, as soon as it has ended. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** Resolves with what the pattern matches first on stdout. */
  waitFor(pattern: RegExp): Promise<RegExpExecArray>;
  /** Whether it has not ended yet. */
  isAlive(): boolean;
}

/** What somebody may have set for other programs. */
const UNSET = {
  PORT: '',
  DATABASE_URL: '',
  REPLICA_DATABASE_URL: '',
  LOG_LEVEL: '',
  FORCE_COLOR: undefined,
};

export interface ExampleProcessOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Starts `examples/…` as the leader of a process group, as a command in a terminal is one. It is killed
 * if it outlives the test.
 */
export function startExample(
  script: string,
  { args = [], env = {} }: ExampleProcessOptions = {},
): ExampleProcess {
  const child = spawn(process.execPath, [`examples/${script}`, ...args], {
    cwd: inject('built'),
    env: { ...process.env, ...UNSET, ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => (output[name] += text));
  }
  const isAlive = (): boolean => child.exitCode === null && child.signalCode === null;
  onTestFinished(() => void (isAlive() && child.kill('SIGKILL')));
  return {
    pid: child.pid!,
    output,
    ended: once(child, 'close').then(([code, signal]) => code ?? signal),
    isAlive,
    async waitFor(pattern) {
      const match = await vi.waitUntil(() => pattern.exec(output.stdout) ?? !isAlive(), {
        timeout: 60_000,
        interval: 10,
      });
      if (match !== true) return match;
      throw new Error(`It ended without ${pattern}:\n${output.stdout}${output.stderr}`);
    },
  };
}
