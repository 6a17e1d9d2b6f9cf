import { diag } from '@opentelemetry/api';
import { createReplicaFallback, InvalidOptionError } from 'kysely-replica-fallback';
import { createCausalSession } from 'kysely-replica-fallback/postgres';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { stopTheClock } from '../../support/fake-clock.ts';
import { type FakeCluster, fakeCluster, type FakeServer } from '../../support/fake-cluster.ts';
import { recordDiagnostics } from '../../support/recording-diagnostics.ts';
import { seeRead } from '../../support/see-read.ts';
import { unhandledRejectionsOf } from '../../support/unhandled-rejections.ts';

beforeEach(stopTheClock);

const throwsAtOnce = () => {
  throw new Error('The source is broken.');
};

test.for<[string, (cluster: FakeCluster) => void]>([
  ['asks the primary in vain', ({ primary }) => (primary.says = throwsAtOnce)],
  ['asks the replica in vain', ({ replica }) => (replica.says = throwsAtOnce)],
  ['gives no position of the primary', ({ primary }) => (primary.says = async () => 'nonsense')],
  ['gives no position of the replica', ({ replica }) => (replica.says = async () => 'nonsense')],
  ['gives nothing for the primary', ({ primary }) => (primary.says = () => null as never)],
  ['gives nothing for the replica', ({ replica }) => (replica.says = () => null as never)],
  [
    'says nothing of a wait',
    ({ replica }) => (replica.waits = () => Promise.resolve(null as never)),
  ],
  ['cannot let the replica wait', ({ replica }) => (replica.waits = throwsAtOnce)],
])('a read waits as without `catchUp` when a source of positions %s', async ([, spoil]) => {
  const cluster = fakeCluster();
  const { options, find, write } = cluster;
  write('o1');
  spoil(cluster);

  const unhandled = await unhandledRejectionsOf(async () => {
    const [{ report }] = await Promise.all([
      seeRead(find('o1'), { ...options, retryMs: { min: 80, max: 80 } }),
      vi.advanceTimersByTimeAsync(200),
    ]);
    expect(report).toMatchObject({
      outcome: 'primary',
      durationMs: 80,
      recovery: { catchUp: { end: 'unknown' } },
    });
  });

  expect(unhandled).toEqual([]);
});

test('a source that gives nothing, and no promise of it, is asked again how far its replica is', async () => {
  const cluster = fakeCluster();
  cluster.write('o1');
  cluster.replica.waits = () => null as never;
  setTimeout(cluster.replay, 30);

  const unhandled = await unhandledRejectionsOf(async () => {
    const [{ report }] = await Promise.all([
      seeRead(cluster.find('o1'), cluster.options),
      vi.advanceTimersByTimeAsync(200),
    ]);
    expect(report).toMatchObject({ outcome: 'replica_retry' });
  });

  expect(unhandled).toEqual([]);
});

test('what is wrong with the position of a replica is told in `diag`', async () => {
  const diagnostics = recordDiagnostics();
  onTestFinished(() => diag.disable());
  const { options, find, write, replica } = fakeCluster();
  write('o1');
  replica.says = async () => 'nonsense';

  await Promise.all([seeRead(find('o1'), options), vi.advanceTimersByTimeAsync(1000)]);

  expect(diagnostics).toEqual([
    expect.arrayContaining([
      expect.objectContaining({ message: 'Expected a position, got "nonsense".' }),
    ]),
  ]);
});

test('a client that a source cannot ask is told to the caller, and no wait hides it', async () => {
  const cluster = fakeCluster();
  const refusal = new InvalidOptionError('primary', 'a client of its own', 'another');
  cluster.primary.says = () => Promise.reject(refusal);

  const unhandled = await unhandledRejectionsOf(async () => {
    const reads = [{}, { after: 'now' }].map((more) =>
      seeRead(cluster.find('o1'), { ...cluster.options, ...more }),
    );
    for (const { result, report } of await Promise.all(reads)) {
      expect(result).toEqual({ status: 'rejected', reason: refusal });
      expect(report.outcome).toBe('error');
    }
    const session = createCausalSession(createReplicaFallback<FakeServer>(cluster.options));
    session.wrote();
    await expect(session.position()).rejects.toBe(refusal);
  });

  expect(unhandled).toEqual([]);
});

describe('a primary whose position is none', () => {
  test('leaves a read to it that asks for a position', async () => {
    const cluster = fakeCluster();
    const after = cluster.write('o1');
    cluster.primary.says = async () => 'nonsense';

    const [{ result }] = await Promise.all([
      seeRead(cluster.find('o1'), { ...cluster.options, after }),
      vi.advanceTimersByTimeAsync(1000),
    ]);
    expect(result).toMatchObject({ value: { version: 1 } });
  });

  test('leaves a session to it, and its errors to whoever asks for the position', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    cluster.primary.says = async () => 'nonsense';
    const session = createCausalSession(createReplicaFallback<FakeServer>(cluster.options));
    session.wrote();

    const [row] = await Promise.all([
      session.read(cluster.find('o1')),
      vi.advanceTimersByTimeAsync(1000),
    ]);
    expect(row).toMatchObject({ version: 1 });
    await expect(session.position()).rejects.toThrow('Expected a position, got "nonsense".');
  });
});
