import { createReplicaFallback, withReplicaFallback } from 'kysely-replica-fallback';
import { expect, test } from 'vitest';
import { AT_ONCE } from '../support/scripted-clients.ts';

const primary = { name: 'primary' };
const replicas = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];
const down = new Error('This replica is down.');
const isUnavailable = (error: unknown): boolean => error === down;

test('starts on each replica equally often', async () => {
  const read = createReplicaFallback({ primary, replica: replicas });
  const counts: Record<string, number> = { a: 0, b: 0, c: 0 };

  for (let i = 0; i < 3000; i++) counts[await read(async (db) => db.name)]! += 1;

  // Within six standard deviations of 1,000.
  for (const count of Object.values(counts)) expect(Math.abs(count - 1000)).toBeLessThan(155);
});

test('asks another replica after a miss, and then the primary', async () => {
  const asked: string[] = [];
  for (let i = 0; i < 20; i++) {
    const read = withReplicaFallback(
      async (db, { source }) => {
        asked.push(`${db.name} as ${source}`);
        return source === 'primary' ? db : undefined;
      },
      { primary, replica: replicas, retryMs: AT_ONCE },
    );
    expect(await read).toBe(primary);

    const [first, second, last, ...more] = asked.splice(0);
    expect(first).toMatch(/^[abc] as replica$/);
    expect(second).toMatch(/^[abc] as replica_retry$/);
    expect(second?.[0]).not.toBe(first?.[0]);
    expect([last, ...more]).toEqual(['primary as primary']);
  }
});

test('asks every other replica, each once and without a wait, while they fail', async () => {
  const asked: string[] = [];
  const waits = { delays: () => expect.unreachable('It waits for a replica that is down.') };

  const read = withReplicaFallback(
    async (db, { source }) => {
      asked.push(db.name);
      if (source !== 'primary') throw down;
      return db;
    },
    { primary, replica: replicas, isUnavailable, retryMs: waits },
  );

  expect(await read).toBe(primary);
  expect(asked.slice(0, 3).toSorted()).toEqual(['a', 'b', 'c']);
  expect(asked.slice(3)).toEqual(['primary']);
});

test('asks a replica that failed only once, although it stands in the list twice', async () => {
  const [a, b] = replicas;
  for (let i = 0; i < 20; i++) {
    const asked: string[] = [];
    await withReplicaFallback(
      async (db, { source }) => {
        asked.push(db.name);
        if (source !== 'primary') throw down;
        return db;
      },
      { primary, replica: [a!, a!, b!], isUnavailable },
    );
    expect(asked.toSorted()).toEqual(['a', 'b', 'primary']);
  }
});

test('starts twice as often on a replica that stands in the list twice', async () => {
  const [a, b] = replicas;
  const read = createReplicaFallback({ primary, replica: [a!, a!, b!] });
  let onA = 0;

  for (let i = 0; i < 3000; i++) if ((await read(async (db) => db)) === a) onA++;

  // Within six standard deviations of 2,000.
  expect(Math.abs(onA - 2000)).toBeLessThan(155);
});

test('waits for the replica that missed, and not for the one that failed', async () => {
  const asked: string[] = [];
  const read = withReplicaFallback(
    async (db, { source }) => {
      asked.push(db.name);
      if (asked.length === 1) throw down;
      return source === 'primary' ? db : undefined;
    },
    { primary, replica: replicas.slice(0, 2), isUnavailable, retryMs: AT_ONCE },
  );

  expect(await read).toBe(primary);
  const [failed, missed, ...rest] = asked;
  expect(missed).not.toBe(failed);
  expect(rest).toEqual([missed, 'primary']);
});

test.for([
  { what: 'an empty list', replica: [] },
  { what: 'a list of the primary alone', replica: [primary, primary] },
])('is a bypass with $what', async ({ replica }) => {
  const sources: string[] = [];
  const read = withReplicaFallback(
    async (db, { source }) => {
      sources.push(source);
      return db;
    },
    { primary, replica },
  );

  expect(await read).toBe(primary);
  expect(sources).toEqual(['primary']);
});

test('never asks a primary in the list as a replica', async () => {
  const asked = new Set<string>();
  for (let i = 0; i < 50; i++) {
    await withReplicaFallback(
      async (db, { source }) => {
        asked.add(`${db.name} as ${source}`);
        return source === 'primary' ? db : undefined;
      },
      { primary, replica: [primary, { name: 'a' }], retryMs: AT_ONCE },
    );
  }
  expect([...asked].toSorted()).toEqual([
    'a as replica',
    'a as replica_retry',
    'primary as primary',
  ]);
});

test('names the entry of the list that is no client', () => {
  const replica = [{ name: 'a' }, 'postgres://' as never];

  expect(() => createReplicaFallback({ primary, replica })).toThrow(
    'Expected `replica[1]` to be a database client, got a string.',
  );
});
