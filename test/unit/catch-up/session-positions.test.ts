import { createReplicaFallback, InvalidPositionError } from 'kysely-replica-fallback';
import { createCausalSession } from 'kysely-replica-fallback/postgres';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { inTime, stopTheClock } from '../../support/fake-clock.ts';
import {
  type FakeCluster,
  fakeCluster,
  type FakeServer,
  positionAt,
  unevenCluster,
} from '../../support/fake-cluster.ts';

beforeEach(stopTheClock);

function reader({ options }: FakeCluster) {
  return createReplicaFallback<FakeServer>(options);
}

/** The replica has the first version of a row, and says that it is far along another timeline. */
function failedOver() {
  const cluster = fakeCluster();
  cluster.write('o1');
  cluster.replay();
  cluster.replica.says = async () => 'tape-9';
  return cluster;
}

describe('a read of a session that asks for a position', () => {
  test('gets it when the session has seen nothing yet, and the session remembers what it saw', async () => {
    const cluster = fakeCluster();
    const after = cluster.write('o1');
    setTimeout(cluster.replay, 30);
    const session = createCausalSession(reader(cluster));

    const read = session.read(cluster.find('o1'), { after });
    expect(await inTime(read)).toMatchObject({ version: 1 });
    expect(cluster.asked).toEqual(['replica as replica_retry']);
    expect(await session.position()).toBe(after);
  });
});

describe('what is no text', () => {
  test.for<[string, unknown]>([
    ['null', null],
    ['a list of one position', ['log-1']],
    ['an object that reads as a position', { toString: () => 'log-1' }],
    ['an object that does not turn into text', { toString: 'log-1' }],
    ['an object without a prototype', Object.create(null)],
    ['a symbol', Symbol('log-1')],
  ])('is no position either: %s', async ([, given]) => {
    const read = reader(fakeCluster());
    const position = given as never;

    expect(() => createCausalSession(read, { position })).toThrow(InvalidPositionError);
    expect(() => createCausalSession(read).wrote(position)).toThrow(InvalidPositionError);
    const session = createCausalSession(read, { position, invalidPosition: 'ignore' });
    expect(await session.position()).toBeUndefined();
  });
});

describe('the position of a session that writes while it is asked for', () => {
  test('has what was written before, costs one query, and is asked for again after that', async () => {
    const cluster = fakeCluster();
    const session = createCausalSession(reader(cluster));
    cluster.write('o1');
    session.wrote();
    cluster.primary.says = async () => {
      const position = positionAt(cluster.primary.has);
      cluster.write('o1');
      session.wrote();
      return position;
    };

    expect(await session.position()).toBe('log-1');
    expect(cluster.primary.asked).toBe(1);
    expect(await session.position()).toBe('log-2');
  });
});

describe('the position of a session whose reads are switched off', () => {
  test('is what the session knows, and the primary is not asked for it', async () => {
    const cluster = fakeCluster();
    const read = createReplicaFallback<FakeServer>({ ...cluster.options, enabled: false });
    const session = createCausalSession(read);

    cluster.write('o1');
    session.wrote();
    expect(await session.read(cluster.find('o1'))).toMatchObject({ version: 1 });
    expect(await session.position()).toBeUndefined();

    const after = cluster.write('o1');
    session.wrote(after);
    session.wrote();
    expect(await session.position()).toBe(after);
    expect(cluster.primary.asked).toBe(0);
  });

  test('is asked for where one read alone was sent to the primary', async () => {
    const cluster = fakeCluster();
    const session = createCausalSession(reader(cluster));

    const after = cluster.write('o1');
    await session.read(cluster.find('o1'), { enabled: false });

    expect(await session.position()).toBe(after);
    expect(cluster.primary.asked).toBe(1);
  });
});

describe('sessions that ask for their positions while the primary does not tell', () => {
  test('share two queries at most, one at a time, and all of them get the error', async () => {
    const cluster = fakeCluster();
    const gone = new Error('gone');
    cluster.primary.says = () => Promise.reject(gone);
    const read = reader(cluster);
    const positions = Array.from({ length: 50 }, async () => {
      const session = createCausalSession(read);
      session.wrote();
      return session.position();
    });

    for (const position of positions) await expect(position).rejects.toBe(gone);
    expect(cluster.primary.asked).toBeLessThanOrEqual(2);
    expect(cluster.primary.askedAtOnce).toBe(1);
  });

  test('ask again when it failed before they were asked', async () => {
    const cluster = fakeCluster();
    const says = cluster.primary.says;
    cluster.primary.says = () => Promise.reject(new Error('gone'));
    const session = createCausalSession(reader(cluster));
    session.wrote();
    await expect(session.position()).rejects.toThrow('gone');

    cluster.primary.says = says;
    expect(await session.position()).toBe('log-0');
    expect(cluster.primary.asked).toBe(2);
  });
});

describe('a replica that answers a session, and does not tell what it has', () => {
  test.for<[string, FakeServer['says']]>([
    ['refuses', () => Promise.reject(new Error('not supported'))],
    ['tells nonsense', async () => 'nonsense'],
    ['has none', async () => undefined],
  ])('serves a read, and the next one sees no less, when it %s', async ([, says]) => {
    const { cluster, newer, older } = unevenCluster();
    cluster.replica.says = says;
    const session = createCausalSession(reader(cluster));
    const readOn = (replica?: FakeServer) =>
      inTime(session.read(cluster.find('o1'), { replica: replica ?? [] }));

    expect(await readOn(newer)).toMatchObject({ version: 2 });
    expect(cluster.asked).toEqual(['replica as replica']);
    expect(await readOn(older)).toMatchObject({ version: 2 });
  });
});

describe('a session keeps what it wrote', () => {
  test('when a read asks for a position of another timeline', async () => {
    const cluster = failedOver();
    const session = createCausalSession(reader(cluster));
    session.wrote(cluster.write('o1'));

    const read = session.read(cluster.find('o1'), { after: 'tape-7' });
    expect(await inTime(read)).toMatchObject({ version: 2 });
  });

  test('when a read that began before ends on a replica of another timeline', async () => {
    const cluster = failedOver();
    const session = createCausalSession(reader(cluster));
    const first = session.read(async (db, attempt) => {
      session.wrote(cluster.write('o1'));
      return cluster.find('o1')(db, attempt);
    });
    expect(await inTime(first)).toMatchObject({ version: 1 });

    expect(await inTime(session.read(cluster.find('o1')))).toMatchObject({ version: 2 });
  });

  test('and asks the primary once for its position after that failed over', async () => {
    const cluster = fakeCluster();
    const session = createCausalSession(reader(cluster), { position: 'tape-7' });
    cluster.write('o1');
    session.wrote();

    expect(await session.position()).toBe('log-1');
    expect(cluster.primary.asked).toBe(1);
  });
});

describe('a session from a position that the primary has not come to', () => {
  const position = 'log-999';

  test('sees what it writes', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    cluster.replay();
    const session = createCausalSession(reader(cluster), { position });
    session.wrote(cluster.write('o1'));

    expect(await inTime(session.read(cluster.find('o1')))).toMatchObject({ version: 2 });
  });

  test('sees no less than it has seen', async () => {
    const { cluster, newer, older } = unevenCluster();
    const session = createCausalSession(reader(cluster), { position });
    const readOn = (replica?: FakeServer) =>
      inTime(session.read(cluster.find('o1'), { replica: replica ?? [] }));

    expect(await readOn(newer)).toMatchObject({ version: 2 });
    expect(await readOn(older)).toMatchObject({ version: 2 });
  });

  test('costs a query for the position of the primary, and no row of it', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    setTimeout(cluster.replay, 30);
    const session = createCausalSession(reader(cluster), { position });

    expect(await inTime(session.read(cluster.find('o1')))).toMatchObject({ version: 1 });
    expect(cluster.primary.asked).toBe(1);
    expect(cluster.asked).toEqual(['replica as replica_retry']);
  });

  test('goes on from where the primary is when that is asked after a write', async () => {
    const cluster = fakeCluster();
    const session = createCausalSession(reader(cluster), { position });
    cluster.write('o1');
    session.wrote();

    expect(await session.position()).toBe('log-1');
  });
});

describe('where a session is', () => {
  test('is told by the question in place of one that was lost', async () => {
    const cluster = fakeCluster();
    const { primary } = cluster;
    const { says } = primary;
    const session = createCausalSession(reader(cluster));
    cluster.write('o1');
    session.wrote();
    primary.says = () => {
      primary.says = says;
      return new Promise(() => {});
    };

    const position = session.position();
    await vi.advanceTimersByTimeAsync(1_100);

    expect(await position).toBe(positionAt(1));
    expect(vi.getTimerCount()).toBe(0);
  });

  test('is an error when the primary has been silent for a minute', async () => {
    const cluster = fakeCluster();
    const session = createCausalSession(reader(cluster));
    session.wrote();
    cluster.primary.says = () => new Promise(() => {});

    const position = session.position().catch((error: unknown) => String(error));
    await vi.advanceTimersByTimeAsync(60_000);

    expect(await position).toContain('The primary did not give its position in time.');
    expect(vi.getTimerCount()).toBe(0);
  });
});
