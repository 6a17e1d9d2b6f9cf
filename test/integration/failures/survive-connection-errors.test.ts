import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { diag } from '@opentelemetry/api';
import { Kysely, PostgresDialect, sql } from 'kysely';
import { surviveConnectionErrors } from 'kysely-replica-fallback/postgres';
import { type ReplicationCluster, startReplicationCluster } from 'kysely-replica-fallback/testing';
import { Client, type ClientConfig, Pool } from 'pg';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { connect } from '../../support/connect.ts';
import { listSleepers } from '../../support/list-sleepers.ts';
import { recordDiagnostics } from '../../support/recording-diagnostics.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';

let cluster: ReplicationCluster;
beforeAll(async () => {
  cluster = await startReplicationCluster();
});
afterAll(() => cluster?.stop());

const PACKAGE = new URL('../../../src/postgres/index.ts', import.meta.url).href;

/** A service that reads from the standby without end, and says so. */
const SERVICE = `
  import { Kysely, PostgresDialect, sql } from 'kysely';
  import { surviveConnectionErrors } from '${PACKAGE}';
  import { Pool } from 'pg';
  const pool = new Pool({ connectionString: process.env.STANDBY, max: 4 });
  if (process.env.SURVIVES) surviveConnectionErrors(pool, () => console.log('told'));
  const db = new Kysely({ dialect: new PostgresDialect({ pool }) });
  const read = () => sql\`select pg_sleep(0.05)\`.execute(db).then(() => 'answered', () => 'failed');
  await Promise.all(Array.from({ length: 4 }, async () => {
    for (;;) {
      console.log(await read());
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }));
`;

function startService(survives: boolean) {
  const service = spawn(process.execPath, ['--input-type=module', '--eval', SERVICE], {
    env: {
      ...process.env,
      STANDBY: cluster.replicas[0].connectionString,
      SURVIVES: survives ? 'yes' : '',
    },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  onTestFinished(() => void service.kill('SIGKILL'));
  let output = '';
  service.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  return {
    exit: once(service, 'exit'),
    exitCode: () => service.exitCode,
    /** Resolves when it says the word from now on. */
    async says(word: string): Promise<void> {
      const start = output.length;
      await expect.poll(() => output.slice(start)).toContain(word);
    },
  };
}

const [restart, kill] = [
  { how: 'restarted', end: () => cluster.replicas[0].restart() },
  {
    how: 'killed',
    end: async () => {
      await cluster.replicas[0].kill();
      await cluster.replicas[0].start();
    },
  },
];

test.for([restart, kill])(
  'a service that survives connection errors goes on when the standby is $how under it',
  async ({ end }) => {
    const service = startService(true);
    await service.says('answered');
    const told = service.says('told');
    const failed = service.says('failed');

    await end();

    await Promise.all([told, failed]);
    await service.says('answered');
    expect(service.exitCode()).toBeNull();
  },
);

test.for([restart, kill])(
  'a service that does not is ended when the standby is $how under it',
  async ({ end }) => {
    const service = startService(false);
    await service.says('answered');

    await end();

    expect((await service.exit)[0]).toBe(1);
  },
);

test.for([restart, kill])(
  'tells of each error once when an idle connection is lost to a standby that is $how',
  async ({ end }) => {
    const pool = new Pool({ connectionString: cluster.replicas[0].connectionString });
    onTestFinished(() => pool.end());
    const told: Error[] = [];
    surviveConnectionErrors(pool, (error) => told.push(error));
    await pool.query('select 1');

    await end();

    await expect.poll(() => told.length).toBeGreaterThan(0);
    expect(new Set(told).size).toBe(told.length);
  },
);

test('tells of a connection that was idle before it was called', async () => {
  const pool = new Pool({ connectionString: cluster.replicas[0].connectionString });
  onTestFinished(() => pool.end());
  await pool.query('select 1');
  const told: Error[] = [];
  surviveConnectionErrors(pool, (error) => told.push(error));

  await restart.end();

  await expect.poll(() => told.length).toBe(1);
});

function throwIt(error: Error): never {
  throw error;
}

test.for([
  { how: 'throws', listener: throwIt },
  { how: 'rejects', listener: async (error: Error) => throwIt(error) },
])('survives a listener that $how, and tells the diagnostics', async ({ listener }) => {
  const diagnostics = recordDiagnostics();
  onTestFinished(() => diag.disable());
  const pool = new Pool({ connectionString: cluster.replicas[0].connectionString, max: 1 });
  surviveConnectionErrors(pool, listener);
  await using db = new Kysely({ dialect: new PostgresDialect({ pool }) });
  await sql`select 1`.execute(db);
  const running = sql`select pg_sleep(60)`.execute(db).catch((error: unknown) => error);

  await restart.end();

  expect(await running).toBeInstanceOf(Error);
  await expect.poll(() => diagnostics.length).toBeGreaterThan(0);
  expect((await sql`select 1 as one`.execute(db)).rows).toEqual([{ one: 1 }]);
});

test('tells of a connection over which Kysely was to cancel a query', async () => {
  await using proxy = await startTcpProxy(cluster.replicas[0].connectionString);
  let connected = 0;
  class CutOffWhenCancelling extends Client {
    constructor(config?: ClientConfig) {
      super(config);
      this.on('connect', () => ++connected === 2 && proxy.refuse());
    }
  }
  const { connectionString } = proxy;
  const pool = new Pool({ connectionString, Client: CutOffWhenCancelling });
  const told: unknown[] = [];
  surviveConnectionErrors(pool, (error) => told.push(error));
  await using db = new Kysely({ dialect: new PostgresDialect({ pool }) });
  vi.spyOn(console, 'error').mockReturnValue();
  onTestFinished(() => void vi.restoreAllMocks());

  const observer = connect(cluster.replicas[0].connectionString);
  onTestFinished(() => observer.end());
  const controller = new AbortController();
  const cancelled = sql`select pg_sleep(60)`.execute(db, {
    signal: controller.signal,
    inflightQueryAbortStrategy: 'cancel query',
  });
  await expect.poll(() => listSleepers(observer.db)).toHaveLength(1);
  controller.abort(new Error('no longer needed'));

  await expect(cancelled).rejects.toThrow('no longer needed');
  await expect.poll(() => told.length).toBe(2); // its own, and that of the query
});
