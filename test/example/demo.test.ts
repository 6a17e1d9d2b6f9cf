import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type ExampleProcess, startExample } from '../support/example/example-process.ts';

describe('the example', { timeout: 60_000 }, () => {
  // A temporary folder of its own shows all that a copy writes and, by its name, all that it runs.
  let folder: string;

  beforeEach((context) => {
    folder = mkdtempSync(join(tmpdir(), 'example-'));
    chmodSync(folder, 0o755);
    // Runs after a copy that outlived its test was killed, and has servers that are still to end.
    context.onTestFinished(async () => {
      await vi.waitUntil(() => leftovers().length === 0, { timeout: 20_000 }).catch(() => {});
      rmSync(folder, { recursive: true, force: true });
    }, 30_000);
  });

  const start = (args: readonly string[] = [], env: Record<string, string> = {}) =>
    startExample('snapshots-service/main.ts', { args, env: { TMPDIR: folder, ...env } });
  const processes = () =>
    execFileSync('ps', ['-A', '-ww', '-o', 'args='], { encoding: 'utf8' })
      .split('\n')
      .filter((commandLine) => commandLine.includes(folder));
  const leftovers = () => [...readdirSync(folder), ...processes()];

  test('shows twice at once that lag costs time with a fallback, and answers without one', async () => {
    const both = [start(['--once']), start(['--once'])];
    expect(await Promise.all(both.map((copy) => copy.ended))).toEqual([0, 0]);
    expect(leftovers()).toEqual([]);
    expect(new Set(both.map(({ output }) => urlOf(output.stdout))).size).toBe(2);

    for (const { output } of both) {
      expect(output.stderr).toBe('');
      expect(output.stdout).not.toContain('\u001B');
      expect(Math.max(...output.stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(
        80,
      );
      expect(output.stdout.match(/^lag .*$/gm)).toEqual([
        'lag none: 20 polls of each service',
        'lag 30 ms: 20 polls of each service',
        'lag 400 ms: 20 polls of each service',
      ]);
      expect(output.stdout).toMatch(
        /^All 60 asked about a snapshot that exists\.\n0 failed, and [1-9]/m,
      );
      expect(output.stdout).toMatch(/^Short queries .*: 0, [1-9]\d*, [1-9]\d*\.$/m);
      expect(output.stdout).toMatch(/^Lag 400 ms: [1-9]\d* informed reads did not wait/m);
      const { none, short, long } = readSummary(output.stdout);
      for (const row of Object.values(none)) {
        expect(row).toMatchObject({ replica: '20', failed: '0' });
      }
      for (const { informed, blind, off } of [short, long]) {
        expect([informed, blind]).toMatchObject([{ failed: '0' }, { failed: '0' }]);
        expect(off['failed']).toMatch(/^[1-9]\d* \(404\)$/);
      }
      expect(Number(short.informed['replica_retry'])).toBeGreaterThan(10);
      expect(Number(short.blind['replica_retry'])).toBeGreaterThan(0);
      expect(Number(long.informed['primary'])).toBeGreaterThan(0);
      expect(Number(long.blind['primary'])).toBeGreaterThan(0);
    }
  });

  test('says where it serves when its habitual port is taken', async () => {
    const server = createServer().listen(3000, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening').catch(() => {}); // taken already, which is as good
    const copy = start();
    const url = urlOf((await copy.waitFor(/Serving on .*/))[0]);
    expect(url).not.toContain(':3000');
    expect((await fetch(`${url}/health`)).status).toBe(200);
  });

  test('keeps no port but its own when the demonstration has ended', async ({ skip }) => {
    skip(process.platform !== 'linux', 'Only Linux tells which ports a process listens on.');
    const copy = start();
    const url = urlOf((await copy.waitFor(/Serving on .*/))[0]) ?? '';
    await copy.waitFor(/^lag none/m);
    expect(portsOf(copy.pid)).toHaveLength(3);
    await copy.waitFor(/Serving until Ctrl-C/);
    expect(portsOf(copy.pid)).toEqual([Number(new URL(url).port)]);
  });

  test('ends with one line when the port that it was told to take is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? String(address?.port) : '';
    const copy = start([], { PORT: port });
    expect(await copy.ended).toBe(1);
    expect(copy.output.stderr).toBe(`Expected \`PORT\` to be a port that is free, got ${port}.\n`);
    expect(leftovers()).toEqual([]);
  });

  // Or what comes after it, if this process stood still meanwhile.
  const initdbRuns = () =>
    expect.poll(() => processes().join(), { interval: 5 }).toMatch(/initdb|postgres -D/);

  test.for<[string, NodeJS.Signals, number, (copy: ExampleProcess) => Promise<unknown>]>([
    ['while its servers start', 'SIGINT', 130, initdbRuns],
    ['while it polls', 'SIGTERM', 143, (copy) => copy.waitFor(/^lag 30 ms/m)],
    ['while it serves', 'SIGINT', 130, (copy) => copy.waitFor(/Serving until Ctrl-C/)],
    ['while a scene of the lag lab has stopped the standby', 'SIGTERM', 143, stopStandbyInLab],
  ])('leaves nothing when it is interrupted %s', async ([, signal, exitCode, moment]) => {
    const copy = start();
    await moment(copy);
    process.kill(copy.pid, signal);
    expect(await copy.ended).toBe(exitCode);
    expect(leftovers()).toEqual([]);
    expect(copy.output.stderr).toBe('\nStopping. Once more to stop at once.\n');
  });

  test.for<[string, (copy: ExampleProcess) => Promise<unknown>]>([
    ['while its servers start', initdbRuns],
    ['while it polls', (copy) => copy.waitFor(/^lag none/m)],
  ])('leaves nothing when Ctrl-C ends all of npm start %s', async ([, moment]) => {
    const copy = start();
    await moment(copy);
    process.kill(-copy.pid, 'SIGINT');
    // npm passes on what the terminal has sent already.
    await expect.poll(() => copy.output.stderr, { interval: 1 }).toContain('Stopping');
    process.kill(copy.pid, 'SIGINT');
    expect(await copy.ended).toBe(130);
    expect(leftovers()).toEqual([]);
  });
});

/** Watches the lab until the standby is down, and goes on watching. */
async function stopStandbyInLab(copy: ExampleProcess): Promise<void> {
  await copy.waitFor(/Serving until Ctrl-C/);
  const url = urlOf(copy.output.stdout);
  expect(copy.output.stdout).toContain(`The lag lab is open: ${url}/\n`);
  const events = await fetch(`${url}/lab/events`);
  await fetch(`${url}/lab/scene`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ name: 'standby-restart' }),
  });
  const reader = events.body!.pipeThrough(new TextDecoderStream()).getReader();
  // Without an answer from the standby there is no lag.
  while (!(await reader.read()).value?.includes('"lagMs":null'));
  reader.closed.catch(() => {});
}

/** As the kernel writes it. */
const LISTEN = '0A';

/** The ports of IPv4 that a process listens on. */
function portsOf(pid: number): number[] {
  // Other connections come and go meanwhile, which is no failure.
  const { stdout: opened } = spawnSync('ls', ['-l', `/proc/${pid}/fd`], { encoding: 'utf8' });
  // https://docs.kernel.org/networking/proc_net_tcp.html
  const sockets = readFileSync(`/proc/${pid}/net/tcp`, 'utf8').trim().split('\n').slice(1);
  return sockets
    .map((line) => line.trim().split(/\s+/))
    .filter(
      ([, , , state, , , , , , inode]) => state === LISTEN && opened.includes(`socket:[${inode}]`),
    )
    .map(([, address = '']) => Number.parseInt(address.split(':')[1] ?? '', 16));
}

function urlOf(output: string): string | undefined {
  return /^Serving on (http:\S+)\.$/m.exec(output)?.[1];
}

type Row = Record<string, string>;
type Level = Record<'informed' | 'blind' | 'off', Row>;

/** The rows of the summary, with their cells by the names of the columns. */
function readSummary(output: string): Record<'none' | 'short' | 'long', Level> {
  const lines = output.slice(output.search(/^ +lag +fallback/m)).split('\n');
  const [header = [], ...rows] = lines.map((line) => line.trim().split(/\s{2,}/));
  const asRow = (cells: string[]): Row => {
    const names = header.slice(-cells.length); // only the first row of a level tells the lag
    return Object.fromEntries(cells.map((cell, i) => [names[i], cell]));
  };
  const levelAt = (first: number): Level => {
    const [informed = {}, blind = {}, off = {}] = rows.slice(first, first + 3).map(asRow);
    expect([informed, blind, off].map((row) => row['fallback'])).toEqual([
      'informed',
      'blind',
      'off',
    ]);
    return { informed, blind, off };
  };
  return { none: levelAt(0), short: levelAt(3), long: levelAt(6) };
}
