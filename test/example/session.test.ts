import { createSnapshotTables, type SnapshotTables } from 'kysely-replica-fallback/snapshots';
import { v7 as uuidV7 } from 'uuid';
import { afterEach, expect, test } from 'vitest';
import { POSITION_HEADER } from '../../examples/causal-sessions/sessions.ts';
import {
  aProblem,
  outcomeOf,
  problemOf,
  startExampleService,
} from '../support/example/example-service.ts';
import { replicatedDatabase } from '../support/replicated-database.ts';

/** Where absence is not enough: a snapshot is described anew, and its run listed at once. */

const database = await replicatedDatabase<SnapshotTables>(createSnapshotTables);
const { primary, replicas } = database.cluster;
const urls = { primary: primary.connectionString, replica: replicas[0].connectionString };
afterEach(() => database.catchUp());

/** A service with a run of one snapshot, on a standby that has it. */
async function start() {
  const service = await startExampleService(urls, {
    settings: { retryMs: { min: 50, max: 20_000 } },
  });
  const key = await service.createRun();
  await database.catchUp();
  return { ...service, key };
}

/** The same, but from then on the standby gets nothing more until a list waits for it. */
async function startLate() {
  const service = await start();
  await database.holdBack();
  return {
    ...service,
    async listLate(...args: Parameters<typeof service.list>) {
      const listing = service.list(...args);
      await service.waitsForStandby();
      await database.catchUp();
      return listing;
    },
  };
}

const described = (description: string) => ({ snapshots: [{ description }] });

test('lists the old description without a session, and the new one in a session', async () => {
  const service = await startLate();
  const saved = await service.describe(service.key, 'new');
  const position = saved.headers.get(POSITION_HEADER);
  const alone = await service.list(service.key.runId);
  const inSession = await service.listLate(service.key.runId, position);

  expect(saved).toMatchObject({ status: 200, body: service.key });
  expect(alone.body).toMatchObject(described(''));
  expect(outcomeOf(alone)).toBe('replica');
  expect(inSession.body).toMatchObject(described('new'));
  expect(outcomeOf(inSession)).toBe('replica_retry');
});

test('goes on where the last answer of a session was', async () => {
  const service = await startLate();
  const saved = await service.describe(service.key, 'new');
  const listed = await service.listLate(service.key.runId, saved.headers.get(POSITION_HEADER));
  const again = await service.list(service.key.runId, listed.headers.get(POSITION_HEADER));
  expect(again.body).toMatchObject(described('new'));
});

test('waits for a new run as any read does, which needs no session', async () => {
  const service = await startLate();
  const { runId, snapshotId } = await service.createRun();
  const listed = await service.listLate(runId);
  expect(listed.body).toMatchObject({ snapshots: [{ id: snapshotId }] });
  expect(outcomeOf(listed)).toBe('replica_retry');
});

test('takes a position that is none for no session', async () => {
  const service = await start();
  for (const position of ['forged', '-1', `${'0'.repeat(12)}-ffffffffffffffff`]) {
    const listed = await service.list(service.key.runId, position);
    expect(listed).toMatchObject({ status: 200, body: described('') });
  }
});

test('lists and describes nothing that does not exist', async () => {
  const service = await start();
  const runId = uuidV7();
  const unknownRun = `There is no run "${runId}".`;
  expect(problemOf(await service.list(runId))).toEqual(aProblem(404, 'Not Found', unknownRun));
  const elsewhere = { ...service.key, runId };
  const notFound = `Run "${runId}" has no snapshot "${service.key.snapshotId}".`;
  expect(problemOf(await service.describe(elsewhere, 'x'))).toEqual(
    aProblem(404, 'Not Found', notFound),
  );
});

test('takes no description that PostgreSQL could not keep', async () => {
  const service = await start();
  for (const [description, got] of [
    [undefined, 'nothing'],
    [7, '7'],
    ['a\0b', '"a\\u0000b"'],
  ]) {
    const detail = `Expected \`description\` to be a string without NUL characters, got ${got}.`;
    expect(problemOf(await service.describe(service.key, description))).toEqual(
      aProblem(400, 'Bad Request', detail),
    );
  }
});
