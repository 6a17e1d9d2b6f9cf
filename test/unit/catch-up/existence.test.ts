import { thrown, withReplicaFallback } from 'kysely-replica-fallback';
import { beforeEach, expect, test, vi } from 'vitest';
import { stopTheClock } from '../../support/fake-clock.ts';
import { type FakeQuery, fakeCluster } from '../../support/fake-cluster.ts';
import { seeRead } from '../../support/see-read.ts';

beforeEach(stopTheClock);

test('asks no server for its position when the replica has the row', async () => {
  const { options, asked, find, write, replay, primary, replica } = fakeCluster();
  write('o1');
  replay();

  expect(await withReplicaFallback(find('o1'), options)).toEqual({ id: 'o1', version: 1 });
  expect(asked).toEqual(['replica as replica']);
  expect([primary.asked, replica.asked]).toEqual([0, 0]);
  expect(vi.getTimerCount()).toBe(0);
});

test('asks the replica again as soon as it has what the primary had, and not the primary', async () => {
  const { options, asked, find, write, replay } = fakeCluster();
  write('o1');
  setTimeout(replay, 30);

  const read = seeRead(find('o1'), options);
  await vi.advanceTimersByTimeAsync(29);
  expect(asked).toEqual(['replica as replica']);
  await vi.advanceTimersByTimeAsync(4); // a tenth of the time waited
  const { result, report } = await read;

  expect(result).toMatchObject({ value: { id: 'o1' } });
  expect(asked).toEqual(['replica as replica', 'replica as replica_retry']);
  expect(report).toMatchObject({
    outcome: 'replica_retry',
    attempts: 2,
    recovery: { cause: 'miss', misses: 1, catchUp: { waitedFor: 'existence', end: 'caught_up' } },
  });
});

test('does not wait when the replica got there while the primary was asked where it is', async () => {
  const { options, find, write, replay } = fakeCluster();
  write('o1');
  const findAndReplay: FakeQuery = async (db, attempt) => {
    const row = await find('o1')(db, attempt);
    replay();
    return row;
  };

  const { result, report } = await seeRead(findAndReplay, options);

  expect(result).toMatchObject({ value: { id: 'o1' } });
  expect(report).toMatchObject({ outcome: 'replica_retry', durationMs: 0 });
});

test('waits for what the primary had, and not for what was written since', async () => {
  const { options, find, write, replica } = fakeCluster();
  write('o1');
  setTimeout(() => {
    replica.has = 1;
    write('o2');
  }, 30);

  const [{ report }] = await Promise.all([
    seeRead(find('o1'), options),
    vi.advanceTimersByTimeAsync(40),
  ]);

  expect(report).toMatchObject({ outcome: 'replica_retry' });
});

test('takes a second miss for the answer, and does not ask the primary', async () => {
  const { options, asked, find, write, replay } = fakeCluster();
  write('o1');
  replay();

  const { result, report } = await seeRead(find('nowhere'), options);

  expect(result).toEqual({ status: 'fulfilled', value: undefined });
  expect(asked).toEqual(['replica as replica', 'replica as replica_retry']);
  expect(report).toMatchObject({
    outcome: 'not_found',
    attempts: 2,
    durationMs: 0,
    recovery: { misses: 2, catchUp: { end: 'caught_up', waitMs: 0 } },
  });
  expect(report).not.toHaveProperty('error');
});

class NotFound extends Error {}

function orThrow<Query extends (...args: never[]) => Promise<unknown>>(query: Query) {
  return async (...args: Parameters<Query>) => {
    const row = await query(...args);
    if (row === undefined) throw new NotFound('no such row');
    return row;
  };
}

test('finds a row whose absence is an error, as soon as the replica has it', async () => {
  const { options, asked, find, write, replay } = fakeCluster();
  write('o1');
  setTimeout(replay, 30);

  const [{ result }] = await Promise.all([
    seeRead(orThrow(find('o1')), { ...options, isMiss: thrown(NotFound) }),
    vi.advanceTimersByTimeAsync(40),
  ]);

  expect(result).toMatchObject({ value: { id: 'o1' } });
  expect(asked).toEqual(['replica as replica', 'replica as replica_retry']);
});

test("rethrows the replica's own error object when the row is nowhere", async () => {
  const { options, asked, find } = fakeCluster();

  const {
    result,
    thrown: errors,
    report,
  } = await seeRead(orThrow(find('nowhere')), {
    ...options,
    isMiss: thrown(NotFound),
  });

  expect(asked).toEqual(['replica as replica', 'replica as replica_retry']);
  expect(result).toHaveProperty('reason', errors[1]);
  expect(report.error).toBe(errors[1]);
  expect(report).toMatchObject({ outcome: 'not_found', failedDuring: 'replica_retry' });
});

test('goes to the primary when the window is over, as late', async () => {
  const { options, asked, find, write } = fakeCluster();
  write('o1');

  const read = seeRead(find('o1'), options);
  await vi.advanceTimersByTimeAsync(199);
  expect(asked).toEqual(['replica as replica']);
  await vi.advanceTimersByTimeAsync(1);
  const { result, report } = await read;

  expect(result).toMatchObject({ value: { id: 'o1' } });
  expect(asked).toEqual(['replica as replica', 'primary as primary']);
  expect(report).toMatchObject({
    outcome: 'primary',
    attempts: 2,
    recovery: { misses: 1, catchUp: { waitedFor: 'existence', end: 'late', waitMs: 200 } },
  });
});

test('counts the time of the position query into the window', async () => {
  const { options, find, write, primary } = fakeCluster();
  const position = write('o1');
  primary.says = () => new Promise((resolve) => setTimeout(resolve, 150, position));

  const [{ report }] = await Promise.all([
    seeRead(find('o1'), options),
    vi.advanceTimersByTimeAsync(200),
  ]);

  expect(report).toMatchObject({ outcome: 'primary', recovery: { catchUp: { end: 'late' } } });
});

test('waits on when the server behind the address was not the one that is there', async () => {
  const { options, asked, find, write, replay, replica } = fakeCluster();
  const position = write('o1');
  const says = ['log-0', position, 'log-0', position, position];
  replica.says = async () => says.shift();
  const findThere: FakeQuery = async (db, attempt) => {
    if (says.length === 0) replay();
    return find('o1')(db, attempt);
  };

  const [{ result, report }] = await Promise.all([
    seeRead(findThere, options),
    vi.advanceTimersByTimeAsync(20),
  ]);

  expect(result).toMatchObject({ value: { id: 'o1' } });
  expect(asked).toEqual(['replica as replica', 'replica as replica_retry']);
  expect(report).toMatchObject({
    outcome: 'replica_retry',
    attempts: 3,
    recovery: { misses: 2, catchUp: { end: 'caught_up' } },
  });
});

test('does not wait beyond the window for an address whose servers do not agree', async () => {
  const { options, find, write, replica } = fakeCluster();
  const position = write('o1');
  let asked = 0;
  replica.says = async () => (asked++ % 2 === 0 ? position : 'log-0');

  const read = seeRead(find('o1'), options);
  await vi.advanceTimersByTimeAsync(250);

  expect(await Promise.race([read, Promise.resolve('still waiting')])).toMatchObject({
    report: { outcome: 'primary', recovery: { catchUp: { end: 'late' } } },
  });
});
