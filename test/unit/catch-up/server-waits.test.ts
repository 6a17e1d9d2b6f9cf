import { diag } from '@opentelemetry/api';
import { withReplicaFallback } from 'kysely-replica-fallback';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { stopTheClock } from '../../support/fake-clock.ts';
import { type FakeServer, fakeCluster, positionAt } from '../../support/fake-cluster.ts';
import { recordDiagnostics } from '../../support/recording-diagnostics.ts';
import { seeRead } from '../../support/see-read.ts';

beforeEach(stopTheClock);
afterEach(() => {
  diag.disable();
});

/** Lets a replica wait for positions by itself, as PostgreSQL 19 does. */
function waitByItself(replica: FakeServer): void {
  replica.waits = async (position, timeoutMs) => {
    for (let ms = 0; ms < timeoutMs; ms++) {
      if (positionAt(replica.has) >= position) return 'reached';
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return positionAt(replica.has) >= position ? 'reached' : 'behind';
  };
}

test('asks a replica that waits by itself at the moment when it has what the primary had, with few questions', async () => {
  const { options, find, write, replay, replica } = fakeCluster();
  write('o1');
  waitByItself(replica);
  setTimeout(replay, 120);

  const [{ report }] = await Promise.all([
    seeRead(find('o1'), options),
    vi.advanceTimersByTimeAsync(200),
  ]);

  expect(report).toMatchObject({ outcome: 'replica_retry', durationMs: 120 });
  expect(replica.asked).toBeLessThanOrEqual(6);
  expect(replica.askedAtOnce).toBe(1);
});

test('lets each read go in its turn when a replica waits by itself', async () => {
  const { options, find, write, replica } = fakeCluster();
  waitByItself(replica);
  const reads: ReturnType<typeof seeRead>[] = [];
  for (let entry = 1; entry <= 5; entry++) {
    write(`o${entry}`);
    reads.push(seeRead(find(`o${entry}`), options));
    setTimeout(() => (replica.has = entry), 20 * entry);
    await vi.advanceTimersByTimeAsync(1);
  }

  await vi.advanceTimersByTimeAsync(200);

  for (const [index, { report }] of (await Promise.all(reads)).entries()) {
    const { attempts, durationMs } = report;
    expect(attempts).toBe(2);
    expect(durationMs).toBeGreaterThanOrEqual(20 * (index + 1) - index);
    expect(durationMs).toBeLessThanOrEqual(20 * (index + 1) + 2);
  }
  expect(replica.askedAtOnce).toBe(1);
});

test('waits one window in an outage, and then for no read any more, when the replica waits by itself', async () => {
  const { options, find, write, replica } = fakeCluster();
  waitByItself(replica);
  write('o1');
  const readNow = async () => {
    const [{ report }] = await Promise.all([
      seeRead(find('o1'), options),
      vi.advanceTimersByTimeAsync(1000),
    ]);
    return report;
  };
  expect(await readNow()).toMatchObject({ outcome: 'primary', durationMs: 200 });
  const { asked } = replica;

  expect(await readNow()).toMatchObject({ outcome: 'primary', durationMs: 0 });
  expect(replica.asked).toBe(asked + 1);
});

test.for<[string, FakeServer['waits']]>([
  ['was promoted meanwhile', async () => 'unknown' as const],
  ['fails meanwhile', () => Promise.reject(new Error('The replica is down.'))],
])('waits as without `catchUp` for a replica that %s, and says so once', async ([, waits]) => {
  const diagnostics = recordDiagnostics();
  const { options, find, write, replica } = fakeCluster();
  write('o1');
  replica.waits = waits;

  const [{ report }] = await Promise.all([
    seeRead(find('o1'), { ...options, retryMs: { min: 80, max: 80 } }),
    vi.advanceTimersByTimeAsync(200),
  ]);

  expect(report).toMatchObject({
    outcome: 'primary',
    attempts: 3,
    durationMs: 80,
    recovery: { catchUp: { end: 'unknown' } },
  });
  expect(diagnostics).toHaveLength(1);
});

test('asks a replica nothing more when the last one who waits has gone, while the replica waits', async () => {
  const { options, find, write, replica } = fakeCluster();
  write('o1');
  waitByItself(replica);
  await Promise.all([
    withReplicaFallback(find('o1'), { ...options, retryMs: 70 }),
    vi.advanceTimersByTimeAsync(100),
  ]);
  const { asked } = replica;

  await vi.advanceTimersByTimeAsync(10_000);

  expect(replica.asked).toBe(asked);
  expect(vi.getTimerCount()).toBe(0);
});
