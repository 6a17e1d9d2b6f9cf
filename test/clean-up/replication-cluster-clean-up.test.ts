import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';

const TESTING = new URL('../../src/testing/index.ts', import.meta.url).href;

describe('an embedded replication cluster', { timeout: 60_000 }, () => {
  // A temporary folder of its own shows all that a cluster writes and, by its name, all that it runs.
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'clean-up-'));
    chmodSync(folder, 0o755);
    vi.stubEnv('TMPDIR', folder);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
  });

  const processes = () =>
    execFileSync('ps', ['-A', '-ww', '-o', 'args='], { encoding: 'utf8' })
      .split('\n')
      .filter((commandLine) => commandLine.includes(folder));
  const leftovers = () => [...readdirSync(folder), ...processes()];

  test('leaves no process and no file when it is stopped, however often', async () => {
    const cluster = await startReplicationCluster({ runtime: 'embedded', replicas: 2 });
    expect(readdirSync(folder)).toHaveLength(1);
    // A process that has just been forked has its parent's command line for a moment.
    const listServers = () => processes().filter((line) => line.includes(`/postgres -D ${folder}`));
    await expect.poll(listServers).toHaveLength(3);

    await Promise.all([cluster.stop(), cluster.stop()]);
    await cluster.stop();
    expect(leftovers()).toEqual([]);
  });

  test('leaves nothing when a replica of it was killed', async () => {
    const cluster = await startReplicationCluster({ runtime: 'embedded' });
    const [directory] = readdirSync(folder);
    const pidFile = readFileSync(join(folder, directory!, 'replica-0', 'postmaster.pid'), 'utf8');
    const segment = new RegExp(`\\s${pidFile.split('\n')[6]!.trim().split(/\s+/)[1]}\\s`);
    expect(listSegments()).toMatch(segment);

    await cluster.replicas[0].kill();
    expect(listSegments()).toMatch(segment); // a server that was killed removed nothing
    await cluster.stop();
    expect(processes()).toEqual([]);
    expect(listSegments()).not.toMatch(segment);
  });

  test.each([
    ['is killed', 'setInterval(() => {}, 1000)', 'SIGKILL'],
    ['is interrupted', 'setInterval(() => {}, 1000)', 'SIGINT'],
    ['exits', 'process.exit()', undefined],
    ['throws', "throw new Error('uncaught')", undefined],
    ['comes to its end', '', undefined],
  ] as const)('leaves nothing when its process %s', async (_, then, signal) => {
    const child = runScript(`
      import { startReplicationCluster } from '${TESTING}';
      await startReplicationCluster({ runtime: 'embedded' });
      console.log('started');
      ${then}`);
    await once(child.stdout!, 'data');
    if (signal !== undefined) process.kill(-child.pid!, signal);
    await once(child, 'exit');
    await expect.poll(leftovers).toEqual([]);
  });

  test('goes on when its process handles Ctrl-C', async () => {
    const child = runScript(`
      import { startReplicationCluster } from '${TESTING}';
      const cluster = await startReplicationCluster({ runtime: 'embedded' });
      const stayAlive = setInterval(() => {}, 1000);
      process.once('SIGINT', async () => {
        clearInterval(stayAlive);
        await cluster.replicas[0].waitForReplay();
        await cluster.stop();
      });
      console.log('started');`);
    await once(child.stdout!, 'data');
    process.kill(-child.pid!, 'SIGINT');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  test('leaves nothing when its process is killed half-way through the start', async () => {
    const child = runScript(`
      import { startReplicationCluster } from '${TESTING}';
      await startReplicationCluster({ runtime: 'embedded' });
      setInterval(() => {}, 1000);`);
    // Later than in `initdb` is only seen if this process stands still meanwhile.
    await vi.waitUntil(() => processes().some((line) => /\/(initdb|postgres) -D /.test(line)), {
      interval: 5,
      timeout: 20_000,
    });
    process.kill(-child.pid!, 'SIGKILL');
    await expect.poll(leftovers).toEqual([]);
  });

  test('lets its process end after it was stopped', async () => {
    const child = runScript(`
      import { startReplicationCluster } from '${TESTING}';
      await (await startReplicationCluster({ runtime: 'embedded' })).stop();`);
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("leaves nothing when a server does not start, and shows the end of that server's log", async () => {
    const bin = mkdtempSync(join(folder, '..', 'clean-up-bin-'));
    onTestFinished(() => rmSync(bin, { recursive: true }));
    writeFileSync(
      join(bin, 'cp'),
      '#!/bin/sh\n/bin/cp "$@" && echo "no_such_setting = 1" >>"$3/postgresql.conf"',
      { mode: 0o755 },
    );
    chmodSync(bin, 0o755);
    vi.stubEnv('PATH', `${bin}:${process.env['PATH']}`);
    await expect(startReplicationCluster({ runtime: 'embedded' })).rejects.toThrow(
      /PostgreSQL did not start on port \d+\. Its log ends with:\n.*"no_such_setting"/s,
    );
    expect(leftovers()).toEqual([]);
  });
});

test('importing the testing kit loads no package but those that everybody has', async () => {
  const child = runScript(`
    import { registerHooks } from 'node:module';
    registerHooks({
      resolve(specifier, context, next) {
        if (!/^(node|file|\\.|(kysely|p-retry|@opentelemetry\\/api)$)/.test(specifier)
            && !context.parentURL?.includes('node_modules')) console.log(specifier);
        return next(specifier, context);
      },
    });
    await import('${TESTING}');
    console.log('done');`);
  expect(await text(child.stdout!)).toBe('done\n');
});

function listSegments(): string {
  return execFileSync('ipcs', ['-m'], { encoding: 'utf8' });
}

/** Leads a process group, as a command in a terminal does, so that a signal to the group is what Ctrl-C is. */
function runScript(script: string): ChildProcess {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}
