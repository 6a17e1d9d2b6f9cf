import {
  type AttemptContext,
  createReplicaFallback,
  InvalidOptionError,
  InvalidPositionError,
  type ReadReport,
} from 'kysely-replica-fallback';
import { createCatchUp } from 'kysely-replica-fallback/catch-up';
import { createCausalSession } from 'kysely-replica-fallback/postgres';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { compareWalPositions } from '../../../src/postgres/wal-position.ts';
import { inTime, stopTheClock } from '../../support/fake-clock.ts';
import {
  type FakeCluster,
  fakeCluster,
  type FakeServer,
  unevenCluster,
} from '../../support/fake-cluster.ts';
import { unhandledRejectionsOf } from '../../support/unhandled-rejections.ts';

beforeEach(stopTheClock);

function reader({ options }: FakeCluster, more: object = {}) {
  return createReplicaFallback<FakeServer>({ ...options, ...more });
}

describe('a session that wrote', () => {
  test('sees what it wrote, when a replica has it', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    cluster.replay();
    const session = createCausalSession(reader(cluster));

    cluster.write('o1');
    session.wrote();
    setTimeout(cluster.replay, 30);

    expect(await inTime(session.read(cluster.find('o1')))).toMatchObject({ version: 2 });
    expect(cluster.asked).toEqual(['replica as replica_retry']);
  });

  test('asks the primary once whether the position of its write still counts there', async () => {
    const cluster = fakeCluster();
    const session = createCausalSession(reader(cluster));

    session.wrote(cluster.write('o1'));
    cluster.replay();

    for (let i = 0; i < 3; i++) {
      expect(await session.read(cluster.find('o1'))).toMatchObject({ version: 1 });
    }
    expect(cluster.primary.asked).toBe(1);
  });

  test('asks the primary once more when what that said is more than 100 ms old', async () => {
    const cluster = fakeCluster();
    const session = createCausalSession(reader(cluster));
    session.wrote(cluster.write('o1'));
    cluster.replay();

    for (const [passMs, asked] of [
      [0, 1],
      [100, 1],
      [1, 2],
    ] as const) {
      await vi.advanceTimersByTimeAsync(passMs);
      await session.read(cluster.find('o1'));
      expect(cluster.primary.asked).toBe(asked);
    }
  });

  test('asks for the position once, and not before it is needed', async () => {
    const cluster = fakeCluster();
    const session = createCausalSession(reader(cluster), { monotonicReads: false });
    cluster.write('o1');
    cluster.replay();
    session.wrote();
    expect(cluster.primary.asked).toBe(0);

    await session.read(cluster.find('o1'));
    await session.read(cluster.find('o1'));
    expect(await session.position()).toBe('log-1');
    expect(cluster.primary.asked).toBe(1);
  });

  test('asks for its position once when it is asked for it twice', async () => {
    const cluster = fakeCluster();
    const session = createCausalSession(reader(cluster));
    cluster.write('o1');
    session.wrote();

    expect(await session.position()).toBe('log-1');
    expect(await session.position()).toBe('log-1');
    expect(cluster.primary.asked).toBe(1);
  });

  test('lets the replica wait for what it wrote, where that can', async () => {
    const cluster = fakeCluster();
    const timeouts: number[] = [];
    cluster.replica.waits = async (_, timeoutMs) => {
      timeouts.push(timeoutMs);
      await new Promise((resolve) => setTimeout(resolve, 30));
      cluster.replay();
      return 'reached' as const;
    };
    const session = createCausalSession(reader(cluster));
    session.wrote(cluster.write('o1'));

    expect(await inTime(session.read(cluster.find('o1')))).toMatchObject({ version: 1 });
    expect(timeouts).toHaveLength(1);
    expect(cluster.asked).toEqual(['replica as replica_retry']);
  });

  test('asks again after each write', async () => {
    const cluster = fakeCluster();
    const session = createCausalSession(reader(cluster));
    for (const version of [1, 2]) {
      cluster.write('o1');
      session.wrote();
      cluster.replay();
      expect(await inTime(session.read(cluster.find('o1')))).toMatchObject({ version });
    }
    expect(cluster.primary.asked).toBe(2);
  });

  test('sees a write that it made while one of its reads was under way', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    cluster.replay();
    const session = createCausalSession(reader(cluster));
    session.wrote();

    const first = session.read(async (db, attempt) => {
      cluster.write('o1');
      session.wrote();
      return cluster.find('o1')(db, attempt);
    });
    expect(await inTime(first)).toMatchObject({ version: 1 });
    setTimeout(cluster.replay, 30);
    expect(await inTime(session.read(cluster.find('o1')))).toMatchObject({ version: 2 });
  });

  test('rejects when it is asked for its position, and the primary does not tell', async () => {
    const cluster = fakeCluster();
    const gone = new Error('gone');
    cluster.primary.says = () => Promise.reject(gone);
    const session = createCausalSession(reader(cluster));
    session.wrote();

    await expect(session.position()).rejects.toBe(gone);
  });

  test('reads from the primary while that does not tell its position', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    cluster.replay();
    const read = reader(cluster);
    await inTime(read(cluster.find('nowhere'))); // knows an older position of the primary from now on
    cluster.write('o1');
    cluster.primary.says = () => Promise.reject(new Error('gone'));
    const session = createCausalSession(read, { monotonicReads: false });
    session.wrote();

    for (let count = 1; count <= 2; count++) {
      expect(await inTime(session.read(cluster.find('o1')))).toMatchObject({ version: 2 });
      expect(cluster.asked.at(-1)).toBe('primary as primary');
    }
  });
});

describe('a session that has read', () => {
  test('sees no less from then on, on whichever replica', async () => {
    const { cluster, newer, older } = unevenCluster();
    const session = createCausalSession(reader(cluster));
    const readOn = (replica?: FakeServer) =>
      inTime(session.read(cluster.find('o1'), { replica: replica ?? [] }));

    expect(await readOn(newer)).toMatchObject({ version: 2 });
    expect(await readOn(older)).toMatchObject({ version: 2 });
  });

  test('remembers what the replica had after the query, and not before it', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    cluster.replay();
    cluster.write('o1');
    const session = createCausalSession(reader(cluster));

    await inTime(
      session.read(async (db) => {
        cluster.replay();
        return db.find('o1');
      }),
    );

    expect(await session.position()).toBe('log-2');
  });

  test('remembers what the replica had when it threw that there is no row', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    cluster.replay();
    const noRow = Object.assign(new Error('no result'), { node: {} });
    const session = createCausalSession(reader(cluster));

    const read = session.read(async () => {
      throw noRow;
    });
    await expect(inTime(read)).rejects.toBe(noRow);
    expect(await session.position()).toBe('log-1');
  });

  test('asks where the primary is after an answer of the primary', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    const session = createCausalSession(reader(cluster, { retryMs: 0 }));
    expect(await inTime(session.read(cluster.find('o1')))).toMatchObject({ version: 1 });
    const asked = cluster.primary.asked;

    expect(await session.position()).toBe('log-1');
    expect(cluster.primary.asked).toBe(asked + 1);
  });

  test('asks where the primary is after a bypass that is not by the switch', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    const session = createCausalSession(reader(cluster, { replica: [] }));
    await inTime(session.read(cluster.find('o1')));
    expect(await session.position()).toBe('log-1');
  });

  test("asks where the primary is after it shared another read's answer", async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    const read = reader(cluster, { retryMs: 0, operation: 'find', coalesceKey: 'o1' });
    const session = createCausalSession(read);
    const slowly = async (db: FakeServer, attempt: AttemptContext) => {
      if (db === cluster.primary) await new Promise((resolve) => setTimeout(resolve, 10));
      return cluster.find('o1')(db, attempt);
    };
    await inTime(Promise.all([read(slowly), session.read(slowly)]));
    expect(cluster.asked.filter((each) => each === 'primary as primary')).toHaveLength(1);
    expect(await session.position()).toBe('log-1');
  });

  test('asks where the primary is after each of two servers may have shown more than the other', async () => {
    const log = '0123456789ab';
    const catchUp = createCatchUp<{ position: string }>({
      position: async (server) => server.position,
      replayed: async (server) => server.position,
      compare: compareWalPositions,
      runAt: (server, _position, query) => query(server),
    });
    const primary = { position: `${log}-3` };
    const [one, other] = ['aaaaaaaa', 'bbbbbbbb'].map((server) => ({
      position: `${log}-2~${server}`,
    }));
    const session = createCausalSession(createReplicaFallback({ primary, catchUp }));
    const readOn = (replica = primary) => session.read(async () => 'row', { replica });

    await readOn(one);
    expect(await session.position()).toBe(`${log}-2~aaaaaaaa`);
    await Promise.all([readOn(one), readOn(other)]);
    expect(await session.position()).toBe(`${log}-3`);
  });

  test('does not remember what it has read without monotonic reads', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    cluster.replay();
    const session = createCausalSession(reader(cluster), { monotonicReads: false });

    expect(await inTime(session.read(cluster.find('o1')))).toMatchObject({ version: 1 });
    expect(await session.position()).toBeUndefined();
    expect([cluster.primary.asked, cluster.replica.asked]).toEqual([0, 0]);
  });

  test('does not remember what the primary answered without monotonic reads', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    const session = createCausalSession(reader(cluster, { enabled: false }), {
      monotonicReads: false,
    });

    expect(await inTime(session.read(cluster.find('o1')))).toMatchObject({ version: 1 });
    expect(await session.position()).toBeUndefined();
  });
});

describe('the position of a session', () => {
  test('is none at first, and nobody is asked for it', async () => {
    const cluster = fakeCluster();
    expect(await createCausalSession(reader(cluster)).position()).toBeUndefined();
    expect(cluster.primary.asked).toBe(0);
  });

  test('carries what was written to the next session', async () => {
    const cluster = fakeCluster();
    const session = createCausalSession(reader(cluster));
    session.wrote(cluster.write('o1'));
    const position = await session.position();
    setTimeout(cluster.replay, 30);

    const next = createCausalSession(reader(cluster), { position });
    expect(await inTime(next.read(cluster.find('o1')))).toMatchObject({ version: 1 });
    expect(cluster.asked.at(-1)).toBe('replica as replica_retry');
  });

  test('never goes back', async () => {
    const cluster = fakeCluster();
    const session = createCausalSession(reader(cluster), { position: 'log-7' });
    session.wrote('log-3');
    expect(await session.position()).toBe('log-7');
    session.wrote('log-8');
    expect(await session.position()).toBe('log-8');
  });

  test('is the newer one of two that do not compare', async () => {
    const cluster = fakeCluster();
    const session = createCausalSession(reader(cluster), { position: 'tape-7' });
    session.wrote(cluster.write('o1'));
    expect(await session.position()).toBe('log-1');
  });

  test('gives way to what a read asks for that is newer', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    cluster.replay();
    const after = cluster.write('o1');
    setTimeout(cluster.replay, 30);
    const session = createCausalSession(reader(cluster), { position: 'log-1' });

    const read = session.read(cluster.find('o1'), { after });
    expect(await inTime(read)).toMatchObject({ version: 2 });
  });
});

describe('options of a session', () => {
  const read = reader(fakeCluster());

  test('a position that is none is an error of its own', () => {
    expect(() => createCausalSession(read, { position: 'x' })).toThrow(InvalidPositionError);
    expect(() => createCausalSession(read).wrote('x')).toThrow(InvalidPositionError);
  });

  test('a position that is none can be ignored', async () => {
    const session = createCausalSession(read, { position: 'x', invalidPosition: 'ignore' });
    expect(await session.position()).toBeUndefined();
  });

  const MADE = 'by `createReplicaFallback`';
  test.each([
    ['read', MADE, () => createCausalSession((async () => {}) as never)],
    ['read', MADE, () => createCausalSession(reader(fakeCluster(), { catchUp: undefined }))],
    ['options', 'an object', () => createCausalSession(read, null as never)],
    [
      'invalidPosition',
      "'throw' or 'ignore'",
      () => createCausalSession(read, { invalidPosition: 'x' as never }),
    ],
    [
      'monotonicReads',
      'a boolean',
      () => createCausalSession(read, { monotonicReads: 1 as never }),
    ],
  ])('a bad `%s` is an InvalidOptionError, which expects it to be %s', (option, wanted, create) => {
    expect(create).toThrow(InvalidOptionError);
    expect(create).toThrow(`Expected \`${option}\` to be ${wanted}`);
  });
});

const unused = () => {};

test('a `catchUp` that is made otherwise is refused in words that say which ones fit', () => {
  const catchUp = { validate: unused, runAt: unused, begin: unused, recover: unused };
  const read = reader(fakeCluster(), { catchUp });
  expect(() => createCausalSession(read)).toThrow('by `walCatchUp()` or `createCatchUp()`');
});

test("a session's observer hears its reads, and that they waited for a position", async () => {
  const cluster = fakeCluster();
  const reports: ReadReport[] = [];
  const read = reader(cluster, { onOutcome: (report: ReadReport) => reports.push(report) });
  const session = createCausalSession(read);
  session.wrote(cluster.write('o1'));
  setTimeout(cluster.replay, 30);

  await inTime(session.read(cluster.find('o1'), { operation: 'find' }));

  expect(reports).toMatchObject([
    { operation: 'find', recovery: { catchUp: { waitedFor: 'after', end: 'caught_up' } } },
  ]);
});

test("what a session's observer rejects with is not left unhandled", async () => {
  const cluster = fakeCluster();
  cluster.write('o1');
  cluster.replay();
  const broken = new Error('The observer is broken.');
  const read = reader(cluster, { onOutcome: () => Promise.reject(broken) });
  const session = createCausalSession(read);

  const unhandled = await unhandledRejectionsOf(() => inTime(session.read(cluster.find('o1'))));
  expect(unhandled).toEqual([]);
});
