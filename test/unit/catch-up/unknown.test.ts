import { diag } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { stopTheClock } from '../../support/fake-clock.ts';
import { type FakeCluster, fakeCluster, positionAt } from '../../support/fake-cluster.ts';
import { recordDiagnostics } from '../../support/recording-diagnostics.ts';
import { seeRead } from '../../support/see-read.ts';

const broken = new Error('The server is not there.');
const EXACTLY_80 = { min: 80, max: 80 };

let diagnostics: unknown[][];
beforeEach(() => {
  stopTheClock();
  diagnostics = recordDiagnostics();
});
afterEach(() => {
  diag.disable();
});

async function read({ find, options }: FakeCluster, more: object = {}) {
  const [seen] = await Promise.all([
    seeRead(find('o1'), { ...options, retryMs: EXACTLY_80, ...more }),
    vi.advanceTimersByTimeAsync(1000),
  ]);
  return seen.report;
}

const rejects = () => Promise.reject(broken);

describe.for<{ what: string; spoil: (cluster: FakeCluster) => void; told: unknown[] }>([
  {
    what: 'the primary gives no position',
    spoil: ({ primary }) => (primary.says = rejects),
    told: [expect.stringContaining('The primary gave no position.'), broken],
  },
  {
    what: 'the replica cannot say where it is',
    spoil: ({ replica }) => (replica.says = rejects),
    told: [expect.stringContaining('A replica gave no position.'), broken],
  },
  {
    what: 'the replica is no standby',
    spoil: ({ replica }) => (replica.says = async () => undefined),
    told: [expect.stringContaining('The position of a replica does not compare.'), undefined],
  },
  {
    what: 'the replica is of another cluster',
    spoil: ({ replica }) => (replica.says = async () => 'other-9'),
    told: [expect.stringContaining('The position of a replica does not compare.'), undefined],
  },
])('when $what', ({ spoil, told }) => {
  test('a read waits as without `catchUp`, and asks the replica again', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    spoil(cluster);
    setTimeout(cluster.replay, 79);

    expect(await read(cluster)).toMatchObject({
      outcome: 'replica_retry',
      durationMs: 80,
      recovery: { catchUp: { waitedFor: 'existence', end: 'unknown', waitMs: 0 } },
    });
  });

  test('a miss on the replica is not the answer', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    spoil(cluster);

    expect(await read(cluster)).toMatchObject({ outcome: 'primary', durationMs: 80, attempts: 3 });
    expect(cluster.asked).toEqual([
      'replica as replica',
      'replica as replica_retry',
      'primary as primary',
    ]);
  });

  test('a policy is followed to its end', async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    spoil(cluster);
    const retryMs = { delays: () => [20, 30, 40] };

    expect(await read(cluster, { retryMs })).toMatchObject({
      outcome: 'primary',
      durationMs: 90,
      attempts: 5,
    });
  });

  test('the diagnostics hear of it once, and again after it was over', async () => {
    const cluster = fakeCluster();
    spoil(cluster);
    for (let i = 0; i < 3; i++) await read(cluster);
    expect(diagnostics).toEqual([told]);

    cluster.primary.says = async () => positionAt(cluster.primary.has);
    cluster.replica.says = async () => positionAt(cluster.replica.has);
    expect(await read(cluster)).toMatchObject({ outcome: 'not_found', attempts: 2 });
    expect(diagnostics).toHaveLength(1);

    spoil(cluster);
    for (let i = 0; i < 3; i++) await read(cluster);
    expect(diagnostics).toEqual([told, told]);
  });
});

describe.for<{ what: string; spoil: (cluster: FakeCluster) => void }>([
  { what: 'the primary gives no position', spoil: ({ primary }) => (primary.says = rejects) },
  {
    what: 'the primary does not say where it is',
    spoil: ({ primary }) => (primary.says = () => new Promise(() => {})),
  },
  {
    what: 'the replica is no standby',
    spoil: ({ replica }) => (replica.says = async () => undefined),
  },
  {
    what: 'the replica is of another cluster',
    spoil: ({ replica }) => (replica.says = async () => 'other-9'),
  },
])('when $what', ({ spoil }) => {
  test("a read after 'now' gets its answer from the primary, because no other could count", async () => {
    const cluster = fakeCluster();
    cluster.write('o1');
    cluster.replay();
    spoil(cluster);

    expect(await read(cluster, { after: 'now' })).toMatchObject({
      outcome: 'primary',
      recovery: { catchUp: { waitedFor: 'after', end: 'unknown' } },
    });
    expect(cluster.asked).toEqual(['primary as primary']);
  });
});

test('a read that has waited in vain for the primary to say where it is has waited already', async () => {
  const cluster = fakeCluster();
  cluster.write('o1');
  cluster.primary.says = () => new Promise(() => {});
  setTimeout(cluster.replay, 79);

  expect(await read(cluster)).toMatchObject({
    outcome: 'replica_retry',
    durationMs: 80,
    recovery: { catchUp: { end: 'unknown', waitMs: 80 } },
  });
});

test('a primary that says too late where it is is not waited for, and its answer serves later reads', async () => {
  const cluster = fakeCluster();
  cluster.primary.says = () =>
    new Promise((resolve) => setTimeout(resolve, 100, positionAt(cluster.primary.has)));
  cluster.write('o1');
  cluster.replay();
  const { find, options } = cluster;
  const late = seeRead(find('nowhere'), { ...options, retryMs: EXACTLY_80 });
  const patient = seeRead(find('nowhere'), options);

  await vi.advanceTimersByTimeAsync(200);

  expect((await late).report).toMatchObject({ outcome: 'not_found', attempts: 3, durationMs: 80 });
  expect((await patient).report).toMatchObject({
    outcome: 'not_found',
    attempts: 2,
    durationMs: 100,
  });
  expect(cluster.primary.asked).toBe(1);
});

test('the diagnostics hear once of a primary that says too late where it is, however often it does', async () => {
  const cluster = fakeCluster();
  cluster.primary.says = () => new Promise((resolve) => setTimeout(resolve, 100, 'log-0'));
  for (let i = 0; i < 3; i++) await read(cluster);
  expect(diagnostics).toEqual([
    [expect.stringContaining('The primary did not give its position in time.'), undefined],
  ]);

  await read(cluster, { retryMs: 200 });
  for (let i = 0; i < 3; i++) await read(cluster);
  expect(diagnostics).toHaveLength(2);
});

test('a replica that says nothing is waited for until the window is over', async () => {
  const cluster = fakeCluster();
  cluster.write('o1');
  cluster.replica.says = () => new Promise(() => {});

  expect(await read(cluster)).toMatchObject({
    outcome: 'primary',
    durationMs: 80,
    recovery: { catchUp: { end: 'late' } },
  });
});

test('a position that is unknown late leaves what is left of the window, and not another one', async () => {
  const cluster = fakeCluster();
  const { replica } = cluster;
  cluster.write('o1');
  setTimeout(() => (replica.says = async () => undefined), 180);

  const [{ report }] = await Promise.all([
    seeRead(cluster.find('o1'), { ...cluster.options, retryMs: { min: 200, max: 200 } }),
    vi.advanceTimersByTimeAsync(1000),
  ]);

  expect(report).toMatchObject({ outcome: 'primary', durationMs: 200 });
});
