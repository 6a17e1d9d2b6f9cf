import { diag } from '@opentelemetry/api';
import { attempted, createReplicaFallback, NotPrimaryError } from 'kysely-replica-fallback';
import { createCatchUp, type PositionSource } from 'kysely-replica-fallback/catch-up';
import { createCausalSession } from 'kysely-replica-fallback/postgres';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sourceOf } from '../../../src/catch-up/create-catch-up.ts';
import { inTime, stopTheClock } from '../../support/fake-clock.ts';
import { fakeCluster, type FakeServer, positionAt } from '../../support/fake-cluster.ts';
import { recordDiagnostics } from '../../support/recording-diagnostics.ts';
import { recordingLogger } from '../../support/recording-logger.ts';

let diagnostics: unknown[][];
beforeEach(() => {
  stopTheClock();
  diagnostics = recordDiagnostics();
});
afterEach(() => diag.disable());

/** A cluster whose primary may be none, and whose replica is behind. */
function demotableCluster() {
  const cluster = fakeCluster();
  const { options, primary } = cluster;
  cluster.write('o1');
  cluster.replay();
  const newer = cluster.write('o1');
  const role = { isPrimary: false, checks: 0 };
  const says = primary.says;
  primary.says = async () => {
    if (!role.isPrimary) throw new NotPrimaryError();
    return says();
  };
  const source: PositionSource<FakeServer> = {
    ...sourceOf(options.catchUp)!, // it is made of one
    async runOnPrimary(server, query) {
      role.checks++;
      if (!role.isPrimary) throw new NotPrimaryError();
      return query(server);
    },
  };
  const read = createReplicaFallback<FakeServer>({
    ...options,
    catchUp: createCatchUp(source),
    retryMs: { min: 20, max: 20 },
  });
  return { ...cluster, role, read, newer };
}

/** Whether a read rejects because the primary is none. */
const isRefused = (read: Promise<unknown>) =>
  inTime(read).then(
    () => false,
    (error: unknown) => error instanceof NotPrimaryError,
  );

describe('a read that promises more than existence', () => {
  test.for(['now', positionAt(2)])('after %s rejects', async (after) => {
    const { read, find, asked } = demotableCluster();
    expect(await isRefused(read(find('o1'), { after }))).toBe(true);
    expect(asked).toEqual([]);
  });

  test('of a session rejects, and so does its position', async () => {
    const { read, find } = demotableCluster();
    const session = createCausalSession(read);
    session.wrote();
    expect(await isRefused(session.read(find('o1')))).toBe(true);
    expect(await isRefused(session.position())).toBe(true);
  });

  test('is answered by the primary when that is one again, whatever was said of it before', async () => {
    const { read, find, role, newer } = demotableCluster();
    expect(await isRefused(read(find('o1'), { after: newer }))).toBe(true);
    role.isPrimary = true;
    expect(await inTime(read(find('o1'), { after: newer }))).toMatchObject({ version: 2 });
  });

  test('checks the primary that it asks, although that gave a position just before', async () => {
    const { read, find, role, primary } = demotableCluster();
    primary.says = async () => positionAt(2);
    expect(await isRefused(read(find('o1'), { after: 'now' }))).toBe(true);
    expect(role.checks).toBe(1);
  });

  test.for([
    { isMiss: attempted(() => true) },
    { isUnavailable: () => true },
    {
      isMiss: attempted(() => {
        throw new Error('isMiss threw.');
      }),
    },
  ])('rejects so whatever %o says of errors', async (classifiers) => {
    const { read, find } = demotableCluster();
    let outcome: string | undefined;
    const isRejected = await isRefused(
      read(find('o1'), {
        ...classifiers,
        after: 'now',
        onOutcome: (report) => void (outcome = report.outcome),
      }),
    );
    expect(isRejected).toBe(true);
    expect(outcome).toBe('error');
  });
});

describe('a read that promises existence only', () => {
  const warning = {
    level: 'warn',
    message: 'A standby answers in place of the primary: rows may be missing.',
    fields: { outcome: 'not_found' },
  };

  test('goes on without a check, and says so once, until there was a primary again', async () => {
    const { read, find, role } = demotableCluster();
    const logger = recordingLogger();
    const readNowhere = () => inTime(read(find('nowhere'), { logger }));

    for (let each = 0; each < 3; each++) expect(await readNowhere()).toBeUndefined();
    expect(logger.lines).toMatchObject([warning]);
    expect(diagnostics).toMatchObject([[expect.any(String), expect.any(NotPrimaryError)]]);
    expect(role.checks).toBe(0);

    role.isPrimary = true;
    await readNowhere();
    role.isPrimary = false;
    await readNowhere();
    expect(logger.lines).toMatchObject([warning, warning]);
    expect(diagnostics).toHaveLength(2);
  });

  test('says so to the first logger there is, and with the first read that goes on', async () => {
    const { read, find } = demotableCluster();
    const logger = recordingLogger();

    await inTime(read(find('nowhere')));
    expect(await isRefused(read(find('o1'), { logger, after: 'now' }))).toBe(true);
    expect(logger.lines).toMatchObject([{ level: 'error' }]);

    await inTime(read(find('nowhere'), { logger }));
    expect(logger.lines).toMatchObject([{ level: 'error' }, warning]);
  });

  test('says so although the primary was silent before', async () => {
    const { read, find, primary, role } = demotableCluster();
    const says = primary.says;
    primary.says = () => Promise.reject(new Error('gone'));
    await inTime(read(find('nowhere')));
    primary.says = says;
    await inTime(read(find('nowhere')));
    expect(diagnostics.map(([, error]) => String(error))).toEqual([
      'Error: gone',
      expect.stringContaining('NotPrimaryError') as string,
    ]);
    expect(role.checks).toBe(0);
  });
});

test('a source that cannot check the primary lets the query run on it', async () => {
  const cluster = fakeCluster();
  cluster.write('o1');
  const read = createReplicaFallback<FakeServer>({ ...cluster.options, retryMs: 0 });
  expect(await inTime(read(cluster.find('o1'), { after: 'now' }))).toMatchObject({ version: 1 });
});
