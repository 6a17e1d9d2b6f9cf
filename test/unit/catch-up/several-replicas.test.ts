import { beforeEach, expect, test, vi } from 'vitest';
import { stopTheClock } from '../../support/fake-clock.ts';
import {
  type FakeQuery,
  type FakeServer,
  fakeCluster,
  positionAt,
} from '../../support/fake-cluster.ts';
import { seeRead } from '../../support/see-read.ts';

beforeEach(stopTheClock);

const down = new Error('The replica is down.');
const isUnavailable = (error: unknown) => error === down;

/** So many times that each of two or three replicas has been first. */
const ROUNDS = 20;

test('asks the replica that is there first, whichever was asked before', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const { options, asked, find, write, replay, replicas } = fakeCluster(3);
    write('o1');
    setTimeout(() => replay(replicas[1]), 30);
    setTimeout(() => replay(replicas[2]), 60);

    const [{ report }] = await Promise.all([
      seeRead(find('o1'), options),
      vi.advanceTimersByTimeAsync(100),
    ]);

    expect(asked[1]).toBe('replica 2 as replica_retry');
    expect(report).toMatchObject({ outcome: 'replica_retry', attempts: 2 });
    expect(report.durationMs).toBeLessThan(40);
  }
});

test('does not wait when one of the others is there already', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const { options, asked, find, write, replay, replicas } = fakeCluster(2);
    write('o1');
    replay(replicas[1]);

    const { report } = await seeRead(find('o1'), options);

    expect(['replica', 'replica_retry']).toContain(report.outcome);
    expect(report.durationMs).toBe(0);
    expect(asked.at(-1)).toMatch(/^replica 2/);
  }
});

test('takes the miss of one that is there for the answer, although another one is behind', async () => {
  const { options, asked, find, write, replay } = fakeCluster(2);
  write('o1');
  replay();

  const { report } = await seeRead(find('nowhere'), options);

  expect(report).toMatchObject({ outcome: 'not_found', attempts: 2, durationMs: 0 });
  expect(asked[1]).toBe('replica as replica_retry');
});

test('waits for no replica that has failed', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const { options, find, write, replicas } = fakeCluster(2);
    write('o1');
    const [sound, lost] = replicas as [FakeServer, FakeServer];
    lost.has = 1;
    setTimeout(() => (sound.has = 1), 30);
    const query: FakeQuery = async (db, attempt) => {
      if (db === lost) throw down;
      return find('o1')(db, attempt);
    };

    const [{ report }] = await Promise.all([
      seeRead(query, { ...options, isUnavailable }),
      vi.advanceTimersByTimeAsync(60),
    ]);

    expect(report).toMatchObject({
      outcome: 'replica_retry',
      recovery: { misses: 1, failures: 1 },
    });
    expect(report.durationMs).toBeGreaterThanOrEqual(30);
  }
});

test('goes to the other one at once when both are there, and one fails', async () => {
  const { options, find, write, replay, replicas } = fakeCluster(2);
  write('o1');
  setTimeout(() => {
    for (const replica of replicas) replay(replica);
  }, 100);
  const retriedAt: number[] = [];
  const query: FakeQuery = async (db, attempt) => {
    if (attempt.source !== 'replica_retry') return find('o1')(db, attempt);
    if (retriedAt.push(performance.now()) === 1) throw down;
    return find('o1')(db, attempt);
  };

  const [{ report }] = await Promise.all([
    seeRead(query, { ...options, isUnavailable }),
    vi.advanceTimersByTimeAsync(200),
  ]);

  expect(report).toMatchObject({ outcome: 'replica_retry', replicaError: down });
  expect(retriedAt).toEqual([retriedAt[0], retriedAt[0]]);
});

test('goes to the primary at once when the only replica fails that was waited for', async () => {
  const { options, asked, find, write, replica, replay } = fakeCluster();
  write('o1');
  setTimeout(replay, 30);
  const query: FakeQuery = async (db, attempt) => {
    if (db === replica && replica.has === 1) throw down;
    return find('o1')(db, attempt);
  };

  const [{ report }] = await Promise.all([
    seeRead(query, { ...options, isUnavailable }),
    vi.advanceTimersByTimeAsync(60),
  ]);

  expect(report).toMatchObject({
    outcome: 'primary',
    replicaError: down,
    recovery: { misses: 1, failures: 1, catchUp: { end: 'caught_up' } },
  });
  expect(report.durationMs).toBeLessThan(40);
  expect(asked.at(-1)).toBe('primary as primary');
});

test('asks none again that has failed, when no other says where it is', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const { options, asked, find, write, replicas } = fakeCluster(2);
    write('o1');
    const [silent, failing] = replicas as [FakeServer, FakeServer];
    silent.says = async () => undefined;
    failing.has = 1;
    const query: FakeQuery = async (db, attempt) => {
      const row = await find('o1')(db, attempt);
      if (db === failing) throw down;
      return row;
    };

    const [{ report }] = await Promise.all([
      seeRead(query, { ...options, isUnavailable }),
      vi.advanceTimersByTimeAsync(1000),
    ]);

    expect(report).toMatchObject({ outcome: 'primary', replicaError: down });
    expect(asked.filter((who) => who.startsWith(failing.name))).toHaveLength(1);
  }
});

test('waits for those that say where they are, when one does not', async () => {
  const { options, find, write, replay, replicas } = fakeCluster(3);
  write('o1');
  replicas[0]!.says = async () => undefined;
  replicas[1]!.says = () => Promise.reject(down);
  setTimeout(() => replay(replicas[2]), 30);

  const [{ report }] = await Promise.all([
    seeRead(find('o1'), options),
    vi.advanceTimersByTimeAsync(60),
  ]);

  expect(report).toMatchObject({
    outcome: 'replica_retry',
    recovery: { catchUp: { end: 'caught_up' } },
  });
});

test('waits for the one that is a little behind, when there is no hope for another', async () => {
  const { options, find, write, replay, replicas, primary } = fakeCluster(2);
  write('o1');
  await Promise.all([seeRead(find('o1'), options), vi.advanceTimersByTimeAsync(1000)]);
  replicas[1]!.has = primary.has;
  write('o2');
  setTimeout(() => replay(replicas[1]), 30);

  const [{ report }] = await Promise.all([
    seeRead(find('o2'), options),
    vi.advanceTimersByTimeAsync(60),
  ]);

  expect(report).toMatchObject({
    outcome: 'replica_retry',
    recovery: { catchUp: { end: 'caught_up' } },
  });
});

test('does not wait when there is no hope for any of them', async () => {
  const { options, find, write, replicas } = fakeCluster(2);
  write('o1');
  await Promise.all([seeRead(find('o1'), options), vi.advanceTimersByTimeAsync(1000)]);
  const asked = replicas.map((replica) => replica.asked);

  const { report } = await seeRead(find('o1'), options);

  expect(report).toMatchObject({
    outcome: 'primary',
    durationMs: 0,
    recovery: { catchUp: { end: 'hopeless' } },
  });
  expect(replicas.map((replica) => replica.asked)).toEqual(asked.map((count) => count + 1));
});

test('asks another replica that is there, when the one that was waited for turns out to be behind', async () => {
  const { options, find, write, replay, replicas } = fakeCluster(2);
  const position = write('o1');
  let asked = 0;
  replicas[0]!.says = async () => (asked++ === 0 ? position : positionAt(0));
  setTimeout(() => replay(replicas[1]), 30);

  const [{ report }] = await Promise.all([
    seeRead(find('o1'), options),
    vi.advanceTimersByTimeAsync(60),
  ]);

  expect(report).toMatchObject({ outcome: 'replica_retry', attempts: 3, recovery: { misses: 2 } });
});

test('asks the other replica after a failure, for a read with `after`, too', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const { options, asked, find, write, replay, replicas } = fakeCluster(2);
    const after = write('o1');
    for (const replica of replicas) replay(replica);
    let failures = 0;
    const query: FakeQuery = async (db, attempt) => {
      if (failures++ === 0) throw down;
      return find('o1')(db, attempt);
    };

    const { report } = await seeRead(query, { ...options, after, isUnavailable });

    expect(report).toMatchObject({
      outcome: 'replica_retry',
      attempts: 2,
      recovery: { failures: 1 },
    });
    expect(asked).not.toContain('primary as primary');
  }
});

test('starts a read with `after` on a replica at random, and twice as often on one that is listed twice', async () => {
  const { options, find, write, replay, replicas } = fakeCluster(2);
  const after = write('o1');
  const [once, twice] = replicas as [FakeServer, FakeServer];
  replay(once);
  replay(twice);
  const starts = new Map<string, number>();
  const query: FakeQuery = async (db, attempt) => {
    const { name } = db;
    starts.set(name, (starts.get(name) ?? 0) + 1);
    return find('o1')(db, attempt);
  };

  for (let i = 0; i < 3000; i++) {
    await seeRead(query, { ...options, replica: [once, twice, twice], after });
  }

  expect(starts.get('replica 2')! / 3000).toBeGreaterThan(0.6);
});
