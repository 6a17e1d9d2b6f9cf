import { beforeEach, describe, expect, test, vi } from 'vitest';
import { stopTheClock } from '../../support/fake-clock.ts';
import {
  type FakeCluster,
  fakeCluster,
  type FakeQuery,
  positionAt,
} from '../../support/fake-cluster.ts';
import { seeRead } from '../../support/see-read.ts';

beforeEach(stopTheClock);

/** A read that gets as much time as it takes. */
async function read({ find, options }: FakeCluster, id: string, after: string, more: object = {}) {
  const [seen] = await Promise.all([
    seeRead(find(id), { ...options, after, ...more }),
    vi.advanceTimersByTimeAsync(1000),
  ]);
  return { value: 'value' in seen.result ? seen.result.value : undefined, ...seen.report };
}

describe('a read after a position', () => {
  test('is answered by a replica that has it, while the primary is asked whether it still has it, too', async () => {
    const cluster = fakeCluster();
    const after = cluster.write('o1');
    cluster.replay();
    cluster.write('o1');

    expect(await read(cluster, 'o1', after)).toMatchObject({
      value: { version: 1 },
      outcome: 'replica',
      attempts: 1,
      durationMs: 0,
    });
    expect([cluster.primary.asked, cluster.replica.asked]).toEqual([1, 0]);
  });

  test('does not get the old version that a replica has, but waits for the new one', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    cluster.replay();
    const after = cluster.write('o1');
    setTimeout(cluster.replay, 30);

    expect(await read(cluster, 'o1', after)).toMatchObject({
      value: { version: 2 },
      outcome: 'replica_retry',
      attempts: 2,
      recovery: {
        cause: 'miss',
        misses: 1,
        failures: 0,
        catchUp: { waitedFor: 'after', end: 'caught_up' },
      },
    });
    expect(cluster.asked).toEqual(['replica as replica_retry']);
  });

  test('waits for that position, and not for what was written since', async () => {
    const cluster = fakeCluster();
    const after = cluster.write('o1');
    cluster.write('o1');
    setTimeout(() => (cluster.replica.has = 1), 30);

    expect(await read(cluster, 'o1', after)).toMatchObject({
      value: { version: 1 },
      outcome: 'replica_retry',
    });
  });

  test('gets its answer from the primary when the window is over', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    cluster.replay();
    const after = cluster.write('o1');

    expect(await read(cluster, 'o1', after)).toMatchObject({
      value: { version: 2 },
      outcome: 'primary',
      durationMs: 200,
      recovery: { misses: 1, catchUp: { waitedFor: 'after', end: 'late', waitMs: 200 } },
    });
  });

  test('asks the primary at most twice for all reads that begin together', async () => {
    const cluster = fakeCluster();
    const { find, options, primary } = cluster;
    const positions = [cluster.write('o1'), cluster.write('o1')] as const;
    const reads = [];
    for (let i = 0; i < 100; i++) {
      for (const after of positions) reads.push(seeRead(find('o1'), { ...options, after }));
    }
    await vi.advanceTimersByTimeAsync(10);
    expect(primary.asked).toBe(2);

    cluster.replay();
    await vi.advanceTimersByTimeAsync(10);

    for (const { report } of await Promise.all(reads)) expect(report.outcome).toBe('replica_retry');
  });

  test('waits for a primary that hangs for half of its window, and the reads that follow do not', async () => {
    const cluster = fakeCluster();
    const after = cluster.write('o1');
    cluster.replay();
    cluster.primary.says = () => new Promise(() => {});

    for (const durationMs of [100, 0]) {
      expect(await read(cluster, 'o1', after)).toMatchObject({ outcome: 'replica', durationMs });
    }
  });

  test('leaves half of its window for the replica when the primary does not tell where it is', async () => {
    const cluster = fakeCluster();
    const after = cluster.write('o1');
    cluster.primary.says = () => new Promise(() => {});
    setTimeout(cluster.replay, 150);

    const { durationMs, ...report } = await read(cluster, 'o1', after, { retryMs: 200 });
    expect(report).toMatchObject({
      value: { version: 1 },
      outcome: 'replica_retry',
      recovery: { catchUp: { waitedFor: 'after', end: 'caught_up' } },
    });
    expect(durationMs).toBeLessThan(200);
  });

  test('looks for a row until its window is over when the primary does not tell what is there', async () => {
    const cluster = fakeCluster();
    const after = cluster.write('o1');
    cluster.replay();
    const first = seeRead(cluster.find('nowhere'), { ...cluster.options, after });
    await vi.advanceTimersByTimeAsync(10);
    await first; // so that the position of the primary is known
    cluster.replica.has = 0;
    cluster.primary.says = () => new Promise(() => {});
    setTimeout(cluster.replay, 30);

    expect(await read(cluster, 'nowhere', after)).toMatchObject({
      value: undefined,
      outcome: 'not_found',
      durationMs: 300,
      recovery: { catchUp: { waitedFor: 'after', end: 'unknown' } },
    });
    expect(cluster.asked.slice(-2)).toEqual(['replica as replica_retry', 'primary as primary']);
  });

  test('waits for a row that a replica which has the position lacks, and takes its miss for the answer', async () => {
    const cluster = fakeCluster();
    const after = cluster.write('o1');
    cluster.replay();
    cluster.write('o2');
    setTimeout(cluster.replay, 30);

    expect(await read(cluster, 'o2', after)).toMatchObject({
      value: { id: 'o2' },
      outcome: 'replica_retry',
      recovery: { catchUp: { waitedFor: 'existence', end: 'caught_up' } },
    });
    expect(await read(cluster, 'nowhere', after)).toMatchObject({
      value: undefined,
      outcome: 'not_found',
    });
    expect(cluster.asked).not.toContain('primary as primary');
  });

  test('finds a row that was written after the position, when the replica has just the position', async () => {
    const cluster = fakeCluster();
    const after = cluster.write('o1');
    cluster.write('o2');
    setTimeout(() => (cluster.replica.has = 1), 30);

    expect(await read(cluster, 'o2', after)).toMatchObject({ value: { id: 'o2' } });
  });

  test('asks an address again where another server has the position, at most every tenth of the time waited', async () => {
    const cluster = fakeCluster();
    const after = cluster.write('o1');
    let answers = 0;
    // The check of the first attempt, and then a look and a check in turns.
    cluster.replica.says = async () => (++answers % 2 === 0 ? 'log-1' : 'log-0');

    expect(await read(cluster, 'o1', after)).toMatchObject({
      outcome: 'primary',
      durationMs: 200,
      recovery: { catchUp: { end: 'late' } },
    });
    expect(answers).toBeGreaterThan(40);
    expect(answers).toBeLessThan(120);
  });

  test('does not count an attempt on a replica that has fallen behind between two of them', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    const after = cluster.write('o1');
    cluster.replay();
    const answers = ['log-1', 'log-2', 'log-1', 'log-2', 'log-2'];
    cluster.replica.says = async () => answers.shift();

    expect(await read(cluster, 'o1', after)).toMatchObject({
      value: { version: 2 },
      outcome: 'replica_retry',
      attempts: 3,
      recovery: { misses: 2 },
    });
    expect(cluster.asked).toEqual(['replica as replica_retry']);
  });

  test('ends with the error of the check, or goes to the primary when that is a failure', async () => {
    const cluster = fakeCluster();
    const after = cluster.write('o1');
    const down = new Error('The replica is down.');
    cluster.replica.says = () => Promise.reject(down);

    expect(await read(cluster, 'o1', after)).toMatchObject({ outcome: 'error', error: down });
    const isUnavailable = (error: unknown) => error === down;
    expect(await read(cluster, 'o1', after, { isUnavailable })).toMatchObject({
      outcome: 'primary',
      durationMs: 0,
      replicaError: down,
    });
  });
});

describe('a read after a position that the primary has not come to', () => {
  const FORGED = 'log-999';

  test('is answered by the replica, and costs a question to each, but no window and no spill', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    cluster.replay();

    expect(await read(cluster, 'o1', FORGED)).toMatchObject({
      value: { version: 1 },
      outcome: 'replica_retry',
      durationMs: 0,
      recovery: { catchUp: { waitedFor: 'after', end: 'caught_up', waitMs: 0 } },
    });
    expect([cluster.primary.asked, cluster.replica.asked]).toEqual([1, 1]);
    expect(cluster.asked).not.toContain('primary as primary');
  });

  test('is a question to the primary each time that it is sent, and no more', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    cluster.replay();

    for (let i = 1; i <= 5; i++) {
      expect(await read(cluster, 'o1', FORGED)).toMatchObject({ outcome: 'replica_retry' });
      expect(cluster.primary.asked).toBe(i);
    }
  });

  test('waits for what the primary has when the replica lacks the row', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    setTimeout(cluster.replay, 30);

    expect(await read(cluster, 'o1', FORGED)).toMatchObject({
      value: { version: 1 },
      outcome: 'replica_retry',
    });
    expect(cluster.asked).not.toContain('primary as primary');
  });

  test('is answered by another replica when the first one fails', async () => {
    const cluster = fakeCluster(2);
    cluster.write('o1');
    for (const replica of cluster.replicas) cluster.replay(replica);
    let attempts = 0;
    const failOnce: FakeQuery = (db, attempt) =>
      attempts++ === 0 ? Promise.reject(new Error('down')) : cluster.find('o1')(db, attempt);

    const [{ result, asked }] = await Promise.all([
      seeRead(failOnce, { ...cluster.options, after: FORGED, isUnavailable: () => true }),
      vi.advanceTimersByTimeAsync(1000),
    ]);
    expect(result).toMatchObject({ value: { version: 1 } });
    expect(asked).toEqual(['replica_retry', 'replica_retry']);
  });

  test('takes the miss of a replica that has all that the primary has for the answer', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    cluster.replay();

    expect(await read(cluster, 'nowhere', FORGED)).toMatchObject({ outcome: 'not_found' });
    expect(cluster.asked).not.toContain('primary as primary');
  });
});

/** The replica follows the old primary, which goes on writing. */
function failedOver() {
  const cluster = fakeCluster();
  const after = cluster.write('o1');
  cluster.write('o1');
  cluster.replay();
  cluster.primary.says = async () => 'heir-1';
  return { cluster, after };
}

describe('a read after a position from before a failover', () => {
  test('gets nothing of the old primary, although that has the position', async () => {
    const { cluster, after } = failedOver();

    expect(await read(cluster, 'o1', after)).toMatchObject({ outcome: 'primary' });
  });

  test('relies on what the new primary said last while that cannot be asked', async () => {
    const { cluster, after } = failedOver();
    expect(await read(cluster, 'o1', after)).toMatchObject({ outcome: 'primary' });
    cluster.primary.says = () => Promise.reject(new Error('The primary is down.'));

    expect(await read(cluster, 'o1', after)).toMatchObject({ outcome: 'primary' });
  });

  test('gets nothing of the old primary any more, although the query that asked that was lost in the failover', async () => {
    const cluster = fakeCluster();
    const after = cluster.write('o1');
    cluster.replay();
    cluster.primary.says = () => new Promise(() => {});
    expect(await read(cluster, 'o1', after)).toMatchObject({ outcome: 'replica' });
    cluster.primary.says = async () => 'heir-1';

    expect(await read(cluster, 'o1', after)).toMatchObject({ durationMs: 0 });
    expect(await read(cluster, 'o1', after)).toMatchObject({ outcome: 'primary' });
  });

  test('asks a primary that hangs a handful of times in the first minute, and about once in each later one', async () => {
    const cluster = fakeCluster();
    const after = cluster.write('o1');
    cluster.replay();
    cluster.primary.says = () => new Promise(() => {});

    for (let second = 0; second < 60; second++) await read(cluster, 'o1', after);
    expect(cluster.primary.asked).toBeGreaterThan(3);
    expect(cluster.primary.asked).toBeLessThanOrEqual(6);
    for (let second = 0; second < 600; second++) await read(cluster, 'o1', after);
    expect(cluster.primary.asked).toBeLessThanOrEqual(17);
  });

  test('is answered by the replica as soon as that follows the new primary', async () => {
    const { cluster, after } = failedOver();
    cluster.replica.says = async () => 'heir-1';

    expect(await read(cluster, 'o1', after)).toMatchObject({ outcome: 'replica_retry' });
  });
});

describe('a read after a position of another cluster', () => {
  test('waits for what the primary has, which is then enough', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    cluster.replay();
    cluster.write('o1');
    setTimeout(cluster.replay, 30);

    expect(await read(cluster, 'o1', 'other-1')).toMatchObject({
      value: { version: 2 },
      outcome: 'replica_retry',
      recovery: { catchUp: { waitedFor: 'after', end: 'caught_up' } },
    });
  });

  test('goes to the primary when the primary does not say where it is', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    cluster.replay();
    cluster.primary.says = () => Promise.reject(new Error('The primary is down.'));

    expect(await read(cluster, 'o1', 'other-1')).toMatchObject({ outcome: 'primary' });
  });
});

describe("a read after 'now'", () => {
  test('gives the primary the whole window to say where it is', async () => {
    const cluster = fakeCluster();
    const position = cluster.write('o1');
    cluster.replay();
    cluster.primary.says = async () => {
      await new Promise((resolve) => setTimeout(resolve, 700));
      return position;
    };

    expect(await read(cluster, 'o1', 'now', { retryMs: 900 })).toMatchObject({
      outcome: 'replica',
      durationMs: 700,
    });
  });

  test('is answered by a replica that has all that was written before', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    cluster.replay();

    expect(await read(cluster, 'o1', 'now')).toMatchObject({
      value: { version: 1 },
      outcome: 'replica',
      attempts: 1,
      durationMs: 0,
    });
    expect([cluster.primary.asked, cluster.replica.asked]).toEqual([1, 0]);
  });

  test('sees all that was written before it began, although another read has asked for a position before', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    cluster.replay();
    expect(await read(cluster, 'o1', 'now')).toMatchObject({ value: { version: 1 } });

    cluster.write('o1');
    setTimeout(cluster.replay, 30);

    expect(await read(cluster, 'o1', 'now')).toMatchObject({
      value: { version: 2 },
      outcome: 'replica_retry',
      recovery: { catchUp: { waitedFor: 'after', end: 'caught_up' } },
    });
    expect(cluster.primary.asked).toBe(2);
  });

  test('takes the first miss of such a replica for the answer', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    cluster.replay();

    const { recovery, ...report } = await read(cluster, 'nowhere', 'now');

    expect(report).toMatchObject({ value: undefined, outcome: 'not_found', attempts: 1 });
    expect(recovery).toBeUndefined();
    expect(cluster.asked).toEqual(['replica as replica']);
  });

  test('takes the miss of a replica that it has waited for as the answer', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    setTimeout(cluster.replay, 30);

    expect(await read(cluster, 'nowhere', 'now')).toMatchObject({ outcome: 'not_found' });
    expect(cluster.asked).toEqual(['replica as replica_retry']);
  });

  test('gets its answer from the primary when the window is over', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    cluster.replay();
    cluster.write('o1');

    expect(await read(cluster, 'o1', 'now')).toMatchObject({
      value: { version: 2 },
      outcome: 'primary',
      durationMs: 200,
      recovery: { catchUp: { waitedFor: 'after', end: 'late' } },
    });
  });
});

test('waits for a row that is newer than the position, too, and does not ask the primary for one that is nowhere', async () => {
  const cluster = fakeCluster();
  cluster.write('o1');
  const after = cluster.write('o1');
  cluster.write('o2');
  setTimeout(() => (cluster.replica.has = 2), 30);
  setTimeout(cluster.replay, 60);

  const [found, nowhere] = await Promise.all([
    seeRead(cluster.find('o2'), { ...cluster.options, after }),
    seeRead(cluster.find('nowhere'), { ...cluster.options, after }),
    vi.advanceTimersByTimeAsync(1000),
  ]);

  expect(found.report).toMatchObject({ outcome: 'replica_retry', attempts: 3 });
  expect(nowhere.report).toMatchObject({ outcome: 'not_found', attempts: 3 });
  expect(cluster.asked).not.toContain('primary as primary');
});

test("gives the primary time to say where it is, for a read after 'now' that is not retried", async () => {
  const cluster = fakeCluster();
  cluster.write('o1');
  cluster.replay();
  cluster.primary.says = () =>
    new Promise((resolve) => setTimeout(() => resolve(positionAt(cluster.primary.has)), 5));

  expect(await read(cluster, 'o1', 'now', { retryMs: 0 })).toMatchObject({ outcome: 'replica' });
});
