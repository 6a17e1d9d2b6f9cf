import { InvalidOptionError } from 'kysely-replica-fallback';
import {
  startReplicationCluster,
  type Replica,
  type ReplicationCluster,
} from 'kysely-replica-fallback/testing';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';

/** A port that is published for a container may accept a connection and then drop it. */
const NO_SERVER = /ECONNREFUSED|ECONNRESET|Connection terminated/;
const ASLEEP = 'select pg_sleep(60)';
const BUSY = 'select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b';

describe('a replication cluster', () => {
  let cluster: ReplicationCluster;
  let replica: Replica;

  beforeAll(async () => {
    cluster = await startReplicationCluster();
    [replica] = cluster.replicas;
    await query(cluster.primary, 'create table note (body text primary key)');
    await replica.waitForReplay();
  });
  afterAll(() => cluster?.stop());

  const write = (body: string) => query(cluster.primary, `insert into note values ('${body}')`);
  const replicaSees = async (body: string) =>
    (await query(replica, `select from note where body = '${body}'`)).length === 1;

  test('has a primary that takes writes, and a standby that streams from it', async () => {
    expect(await query(cluster.primary, 'select pg_is_in_recovery() as standby')).toEqual([
      { standby: false },
    ]);
    expect(await query(replica, 'select pg_is_in_recovery() as standby')).toEqual([
      { standby: true },
    ]);
    await expect
      .poll(() => query(cluster.primary, 'select state from pg_stat_replication'))
      .toEqual([{ state: 'streaming' }]);
  });

  test('says in one line what it runs', () => {
    expect(cluster.description).toMatch(
      cluster.runtime === 'embedded'
        ? /^PostgreSQL \d+\.\d+, embedded binaries( \(.+\))?$/
        : /^PostgreSQL \d+\.\d+, containers of \S+$/,
    );
  });

  test('keeps new rows from a paused replica until it resumes', async () => {
    await replica.pauseReplay();
    await write('while paused');
    await expect(replica.waitForReplay({ timeoutMs: 300 })).rejects.toThrow(
      /did not replay the primary's WAL up to \w+\/\w+ within 300 ms: it is at \w+\/\w+, and its replay is paused\./,
    );
    expect(await replicaSees('while paused')).toBe(false);

    await replica.resumeReplay();
    await replica.waitForReplay();
    expect(await replicaSees('while paused')).toBe(true);
  });

  test('is controlled even while its replay cancels what is in the way', async () => {
    const set = async (change: string) => {
      await query(replica, `alter system ${change}`);
      await query(replica, 'select pg_reload_conf()');
    };
    await set('set max_standby_streaming_delay = 0');
    onTestFinished(() => set('reset max_standby_streaming_delay'));
    await query(cluster.primary, 'create table counter as select 0 as value');
    const count =
      'do $$ begin for i in 1..500 loop update counter set value = i; commit; end loop; end $$';

    for (let round = 0; round < 10; round++) {
      await replica.pauseReplay();
      await query(cluster.primary, count);
      await query(cluster.primary, 'vacuum counter');
      await replica.resumeReplay();
      await replica.waitForReplay();
    }

    expect(await query(replica, 'select value from counter')).toEqual([{ value: 500 }]);
  });

  test('shows a row once the apply delay has passed since its commit', async () => {
    await replica.setApplyDelay(1000);
    expect(await query(replica, 'show recovery_min_apply_delay')).toEqual([
      { recovery_min_apply_delay: '1s' },
    ]);
    const start = performance.now();
    await write('delayed');

    await expect.poll(() => replicaSees('delayed')).toBe(true);
    expect(performance.now() - start).toBeGreaterThan(950);
    await replica.setApplyDelay(0);
  });

  test('shows a row that was held back as soon as the apply delay is gone', async () => {
    await replica.setApplyDelay(600_000);
    await write('held back');
    expect(await replicaSees('held back')).toBe(false);

    await replica.setApplyDelay(0);
    await replica.waitForReplay();
    expect(await replicaSees('held back')).toBe(true);
  });

  test.each([-1, 0.5, Number.NaN, 2 ** 31])('refuses an apply delay of %s ms', async (delay) => {
    await expect(replica.setApplyDelay(delay)).rejects.toThrow(
      new InvalidOptionError('milliseconds', 'an integer from 0 to 2147483647', delay),
    );
  });

  test.each([Number.NaN, -1, '1000', null])('refuses to wait for %o ms', async (timeoutMs) => {
    await expect(replica.waitForReplay({ timeoutMs: timeoutMs as number })).rejects.toThrow(
      new InvalidOptionError('timeoutMs', 'a number of at least 0', timeoutMs),
    );
  });

  test('waits for no more than was written when the primary is at the start of a WAL segment', async () => {
    await query(cluster.primary, 'select pg_switch_wal()');
    await expect(replica.waitForReplay({ timeoutMs: 5000 })).resolves.toBeUndefined();
  });

  test('waits for no more than was written when the primary is at the start of a WAL page', async () => {
    await query(
      cluster.primary,
      `do $$ begin
        loop
          perform pg_logical_emit_message(false, 'fill', repeat('.', (random() * 50)::int));
          exit when (pg_current_wal_insert_lsn() - '0/0') % 8192 = 24;
        end loop;
      end $$`,
    );
    await expect(replica.waitForReplay({ timeoutMs: 5000 })).resolves.toBeUndefined();
  });

  test('restarts a replica on its port, with its apply delay and with all rows', async () => {
    await replica.setApplyDelay(1);
    const started = await query(replica, 'select pg_postmaster_start_time()');
    const session = query(replica, ASLEEP);
    await untilActive(replica, ASLEEP);
    await write('before the restart');

    await Promise.all([
      replica.restart(),
      expect(session).rejects.toMatchObject({ code: '57P01' }),
    ]);
    expect(await query(replica, 'select pg_postmaster_start_time()')).not.toEqual(started);
    expect(await query(replica, 'show recovery_min_apply_delay')).toEqual([
      { recovery_min_apply_delay: '1ms' },
    ]);
    await replica.waitForReplay();
    expect(await replicaSees('before the restart')).toBe(true);
    await replica.setApplyDelay(0);
  });

  test('breaks busy sessions off when a replica is killed, and refuses new ones until it is started', async () => {
    const session = query(replica, BUSY);
    await untilActive(replica, BUSY);

    await Promise.all([
      replica.kill(),
      expect(session).rejects.toThrow('Connection terminated unexpectedly'),
    ]);
    await expect(query(replica, 'select 1')).rejects.toThrow(NO_SERVER);
    await replica.kill();
    await write('while dead');

    await replica.start();
    await replica.waitForReplay();
    expect(await replicaSees('while dead')).toBe(true);
  });

  test('stops a replica alone, and starts it again', async () => {
    await replica.stop();
    await replica.stop();
    await expect(query(replica, 'select 1')).rejects.toThrow(NO_SERVER);
    await write('while stopped');

    await replica.start();
    await replica.start();
    await replica.waitForReplay();
    expect(await replicaSees('while stopped')).toBe(true);
  });
});

describe('the primary of a cluster', () => {
  let cluster: ReplicationCluster;

  beforeAll(async () => {
    cluster = await startReplicationCluster();
    await query(cluster.primary, 'create table note (body text primary key)');
    await cluster.replicas[0].waitForReplay();
  });
  afterAll(() => cluster?.stop());

  /** What the standby shows of what is written after the primary is back. Meanwhile it shows what was written before. */
  const goOn = async (before: string, after: string) => {
    const [replica] = cluster.replicas;
    await expect(query(cluster.primary, 'select 1')).rejects.toThrow(NO_SERVER);
    expect(await query(replica, 'select body from note')).toContainEqual({ body: before });

    await cluster.primary.start();
    await cluster.primary.start();
    await query(cluster.primary, `insert into note values ('${after}')`);
    await replica.waitForReplay();
    return query(replica, 'select body from note');
  };

  test('is stopped and started, while its replica goes on', async () => {
    await query(cluster.primary, "insert into note values ('before the stop')");
    await cluster.replicas[0].waitForReplay();
    await cluster.primary.stop();
    await cluster.primary.stop();
    expect(await goOn('before the stop', 'after the stop')).toContainEqual({
      body: 'after the stop',
    });
  });

  test('is killed, under busy sessions, and started', async () => {
    await query(cluster.primary, "insert into note values ('before the kill')");
    await cluster.replicas[0].waitForReplay();
    const session = query(cluster.primary, BUSY);
    await untilActive(cluster.primary, BUSY);
    await Promise.all([
      cluster.primary.kill(),
      expect(session).rejects.toThrow('Connection terminated unexpectedly'),
    ]);
    await cluster.primary.kill();
    expect(await goOn('before the kill', 'after the kill')).toContainEqual({
      body: 'after the kill',
    });
  });

  test('restarts on its port', async () => {
    const started = await query(cluster.primary, 'select pg_postmaster_start_time()');
    await cluster.primary.restart();
    expect(await query(cluster.primary, 'select pg_postmaster_start_time()')).not.toEqual(started);
  });
});

test(
  'starts two clusters at once that know nothing of each other',
  { timeout: 60_000 },
  async () => {
    const [one, two] = await Promise.all([startReplicationCluster(), startReplicationCluster()]);
    try {
      await query(one.primary, 'create table only_here ()');
      await two.replicas[0].waitForReplay();
      for (const server of [two.primary, ...two.replicas]) {
        await expect(query(server, 'table only_here')).rejects.toMatchObject({ code: '42P01' });
      }
    } finally {
      await Promise.all([one.stop(), two.stop()]);
    }
  },
);

async function query(
  server: { readonly connectionString: string },
  statement: string,
): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: server.connectionString });
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}

function untilActive(server: ReplicationCluster['primary'], statement: string): Promise<unknown> {
  const active = `select from pg_stat_activity where state = 'active' and query = '${statement}'`;
  return vi.waitUntil(async () => (await query(server, active)).length === 1, { timeout: 10_000 });
}
