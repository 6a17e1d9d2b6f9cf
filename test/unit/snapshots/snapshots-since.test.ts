import { sql } from 'kysely';
import {
  createSnapshotsSince,
  getSnapshotsSince,
  SnapshotNotFoundError,
  type SnapshotsSince,
  type SnapshotTables,
} from 'kysely-replica-fallback/snapshots';
import { InvalidOptionError } from 'kysely-replica-fallback';
import { recordReads } from 'kysely-replica-fallback/testing';
import { describe, expect, test } from 'vitest';
import { scriptedPostgres } from '../../support/scripted-postgres.ts';
import { outline } from '../../support/snapshot-fixtures.ts';

const CREATED_AT = new Date('2026-01-01T00:00:00Z');
const COMPLETED_AT = new Date('2026-02-03T04:05:06.789Z');
const QUESTION = { runId: 'run', snapshotId: 'a' };

const SNAPSHOT = {
  runId: 'run',
  executionStatus: 'EXECUTING',
  description: 'A step.',
  isValid: true,
  error: null,
  createdAt: CREATED_AT,
};
const WAITPOINT = {
  type: 'DATETIME',
  output: '"late"',
  outputType: 'text/plain',
  outputIsError: true,
  completedAt: COMPLETED_AT,
};

/** Rows as the statement gives them: those of snapshots, and then those of waitpoints. */
const snapshot = (id: string, ...completedWaitpointOrder: string[]) => ({
  ...nulls(WAITPOINT),
  waitpointId: null,
  ...SNAPSHOT,
  id,
  completedWaitpointOrder,
});
const invalid = (id: string, ...completedWaitpointOrder: string[]) => ({
  ...snapshot(id, ...completedWaitpointOrder),
  isValid: false,
});
const waitpoint = (waitpointId: string) => ({
  ...nulls(SNAPSHOT),
  id: null,
  completedWaitpointOrder: null,
  ...WAITPOINT,
  waitpointId,
});

function nulls(fields: object) {
  return Object.fromEntries(Object.keys(fields).map((field) => [field, null]));
}

/** A server that has these rows, whatever it is asked. */
function serverOf(...rows: object[]) {
  return scriptedPostgres<SnapshotTables>(() => rows);
}

const ask = (rows: object[], limit?: number) =>
  getSnapshotsSince(serverOf(...rows).db, { ...QUESTION, limit });

describe('getSnapshotsSince', () => {
  test('gives every field of a snapshot and of its waitpoints', async () => {
    const page = await ask([snapshot('a'), snapshot('b', 'w'), waitpoint('w')]);

    expect(page).toEqual({
      snapshots: [
        {
          ...SNAPSHOT,
          id: 'b',
          completedWaitpointOrder: ['w'],
          completedWaitpoints: [{ ...WAITPOINT, id: 'w' }],
        },
      ],
      hasMore: false,
    });
  });

  test('gives nothing after an anchor that is the newest', async () => {
    expect(await ask([snapshot('a')])).toEqual({ snapshots: [], hasMore: false });
  });

  test('gives waitpoints to the newest snapshot alone, in its order, repeated where it repeats them', async () => {
    const [w1, w2] = [waitpoint('w1'), waitpoint('w2')];

    const page = await ask([
      snapshot('a', 'w1'),
      snapshot('b', 'w1'),
      snapshot('c', 'w2', 'unknown', 'w1', 'w2'),
      w1,
      w2,
    ]);

    expect(outline(page)).toEqual(['b', 'c w2 w1 w2']);
  });

  test.for<[string, object[], object]>([
    ['the anchor', [snapshot('a', 'w', 'w'), waitpoint('w')], { id: 'a' }],
    ['one before it', [snapshot('0', 'w'), invalid('a', 'v'), waitpoint('w')], { id: '0' }],
  ])(
    'gives the newest snapshot beside an empty page, with its waitpoints: %s',
    async ([, rows, newest]) => {
      const page = await ask(rows, 1);

      expect(page).toMatchObject({ snapshots: [], hasMore: false, newest });
      const waitpoints = page.newest?.completedWaitpoints ?? [];
      expect(new Set(waitpoints.map(({ id }) => id))).toEqual(new Set(['w']));
    },
  );

  test.for([
    ['there is none', [invalid('a', 'w')]],
    ['it completed nothing', [snapshot('0'), invalid('a', 'w')]],
    ['all of its waitpoints came before', [snapshot('told', 'w'), invalid('a')]],
  ] as const)('gives no newest snapshot when %s', async ([, rows]) => {
    const page = getSnapshotsSince(serverOf(...rows).db, { ...QUESTION, waitpointsOf: 'told' });

    expect(await page).toStrictEqual({ snapshots: [], hasMore: false });
  });

  test('gives as many as the limit says, and tells whether there are more', async () => {
    const rows = ['a', 'b', 'c', 'd'].map((id) => snapshot(id));

    expect(outline(await ask(rows, 2))).toEqual(['b', 'c', '…']);
    expect(outline(await ask(rows, 3))).toEqual(['b', 'c', 'd']);
    expect(outline(await ask(rows))).toEqual(['b', 'c', 'd']);
  });

  test('rejects when the run has no such snapshot, and names both', async () => {
    const error: unknown = await ask([]).catch((reason: unknown) => reason);

    expect(error).toBeInstanceOf(SnapshotNotFoundError);
    expect(error).toMatchObject({
      name: 'SnapshotNotFoundError',
      message: 'Run "run" has no snapshot "a".',
      ...QUESTION,
    });
  });

  test('passes on the signal to the query', async () => {
    const { db, asked } = serverOf(snapshot('a'));
    const reason = new Error('The caller has gone.');

    const page = getSnapshotsSince(db, QUESTION, { signal: AbortSignal.abort(reason) });

    await expect(page).rejects.toBe(reason);
    expect(asked).toEqual([]);
  });

  test('asks one statement, the one that is tested on PostgreSQL', async () => {
    const statements: { sql: string; parameters: readonly unknown[] }[] = [];
    const { db, asked } = scriptedPostgres<SnapshotTables>((statement, parameters) => {
      statements.push({ sql: statement, parameters });
      return [snapshot('a')];
    });

    await getSnapshotsSince(db, QUESTION);
    await getSnapshotsSince(db, { ...QUESTION, limit: 2 });

    expect(asked).toHaveLength(4); // and the connection is given back each time
    expect(statements[0]).toMatchInlineSnapshot(`
      {
        "parameters": [
          "run",
          true,
          "a",
          "a",
          "run",
          "a",
          52,
          "run",
          true,
          "a",
          "run",
          "a",
          true,
          1,
          true,
          1,
          51,
        ],
        "sql": "with "page" as (select * from "execution_snapshot" where "run_id" = $1 and ("is_valid" = $2 or "id" = $3) and ("created_at", "id") >= ((select "created_at" from "execution_snapshot" where "id" = $4 and "run_id" = $5), $6) order by "created_at", "id" limit (select $7::bigint)), "earlier" as (select * from "execution_snapshot" where "run_id" = $8 and "is_valid" = $9 and ("created_at", "id") < ((select "created_at" from "execution_snapshot" where "id" = $10 and "run_id" = $11), $12) and not exists (select "page"."id" from "page" where "page"."is_valid" = $13) order by "created_at" desc, "id" desc limit $14), "known" as (select * from "page" union all select * from "earlier"), "completed" as (select "waitpoint".* from "completed_waitpoint" inner join "waitpoint" on "waitpoint"."id" = "completed_waitpoint"."waitpoint_id" where "completed_waitpoint"."snapshot_id" = (select "known"."id" from "known" where "known"."is_valid" = $15 order by "known"."created_at" desc, "known"."id" desc limit $16) and (select count(*) as "count" from "page") <= $17) select "known"."id" as "id", "known"."run_id" as "runId", "known"."execution_status" as "executionStatus", "known"."description" as "description", "known"."is_valid" as "isValid", "known"."error" as "error", "known"."completed_waitpoint_order" as "completedWaitpointOrder", "known"."created_at" as "createdAt", "completed"."id" as "waitpointId", "completed"."type" as "type", "completed"."output" as "output", "completed"."output_type" as "outputType", "completed"."output_is_error" as "outputIsError", "completed"."completed_at" as "completedAt" from "known" full join "completed" on false order by "known"."created_at", "known"."id"",
      }
    `);
    expect(statements[1]?.parameters).toContain(4);
  });
});

describe.for<[string, (since: SnapshotsSince) => Promise<unknown>]>([
  ['getSnapshotsSince', (since) => getSnapshotsSince(serverOf(snapshot('a')).db, since)],
  [
    'createSnapshotsSince',
    (since) => createSnapshotsSince({ primary: serverOf(snapshot('a')).db })(since),
  ],
])('%s', ([, read]) => {
  test.for<[keyof SnapshotsSince, unknown]>([
    ['limit', 0],
    ['limit', 1.5],
    ['limit', 1001],
    ['limit', '5'],
    ['limit', null],
    ['runId', ''],
    ['runId', undefined],
    ['runId', 'a\0'],
    ['snapshotId', ''],
    ['snapshotId', 5],
    ['snapshotId', '\0a'],
    ['waitpointsOf', ''],
    ['waitpointsOf', null],
    ['waitpointsOf', 'a\0'],
  ])('refuses the %s %o', async ([option, given]) => {
    const expected =
      option === 'limit'
        ? 'an integer from 1 to 1000'
        : 'a string that is not empty, without a NUL character';
    const page = read({ ...QUESTION, [option]: given });

    await expect(page).rejects.toBeInstanceOf(InvalidOptionError);
    await expect(page).rejects.toMatchObject({ option, expected });
  });

  test.for([undefined, null, 'run'])('refuses %s for a question', async (bad) => {
    await expect(read(bad as never)).rejects.toMatchObject({
      name: 'InvalidOptionError',
      option: 'since',
      expected: 'an object with a `runId` and a `snapshotId`',
      given: bad,
    });
  });

  test.for([1, 1000, undefined])('takes the limit %s', async (limit) => {
    expect(await read({ ...QUESTION, limit })).toEqual({ snapshots: [], hasMore: false });
  });
});

describe('createSnapshotsSince', () => {
  const missing = [snapshot('a'), snapshot('b', 'w1', 'w2', 'w1'), waitpoint('w1')];
  const complete = [...missing, waitpoint('w2')];

  test('takes a page of the replica that has all waitpoints, and is the operation snapshots_since', async () => {
    const { page, report } = await climb(complete, []);
    expect(page).toEqual(['b w1 w2 w1']);
    expect(report).toMatchObject({ outcome: 'replica', operation: 'snapshots_since' });
  });

  test.for([
    ['which has nothing newer', [snapshot('a')], []],
    ['whose newest snapshot completed nothing', [snapshot('a'), snapshot('b')], ['b']],
  ] as const)('takes the page of a replica %s', async ([, rows, expected]) => {
    const { page, report } = await climb([...rows], complete);
    expect(page).toEqual(expected);
    expect(report?.outcome).toBe('replica');
  });

  test.for([
    ['an anchor', []],
    ['a waitpoint', missing],
    ['a waitpoint of the anchor', [snapshot('a', 'w')]],
  ])('asks the primary when the replica lacks %s', async ([, rows]) => {
    const { page, report } = await climb(rows as object[], complete);
    expect(page).toEqual(['b w1 w2 w1']);
    expect(report?.outcome).toBe('primary');
  });

  test('takes a page with more to come although its last snapshot has no waitpoints yet', async () => {
    const replica = serverOf(snapshot('a'), snapshot('b', 'w1'), snapshot('c')).db;
    const primary = serverOf().db;
    const climbs = createSnapshotsSince({ primary, replica });

    expect(outline(await climbs({ ...QUESTION, limit: 1 }))).toEqual(['b', '…']);
  });

  test('takes the page of the primary as it is', async () => {
    const { page, report } = await climb(missing, missing);
    expect(page).toEqual(['b w1 w1']);
    expect(report?.outcome).toBe('primary');
  });

  test('rejects when the primary lacks the anchor, too', async () => {
    const { page, report } = await climb([], []);
    expect(page).toBeInstanceOf(SnapshotNotFoundError);
    expect(report?.outcome).toBe('not_found');
  });

  test('takes another operation, and other options for one read', async () => {
    const { report } = await climb(complete, [], { operation: 'poll' });
    expect(report?.operation).toBe('poll');

    const { outcomes, onOutcome } = recordReads();
    const replica = serverOf(...complete);
    const climbs = createSnapshotsSince({
      primary: serverOf(...missing).db,
      replica: replica.db,
      onOutcome,
    });
    expect(outline(await climbs(QUESTION, { enabled: false }))).toEqual(['b w1 w1']);
    expect(outcomes).toEqual([]);
    expect(replica.asked).toEqual([]);
  });

  test('asks nothing any more when the signal aborts before there is a connection', async () => {
    const connection = Promise.withResolvers<void>();
    const replica = scriptedPostgres<SnapshotTables>(() => [], connection.promise);
    const abortion = new AbortController();
    const reason = new Error('The caller has gone.');
    const climbs = createSnapshotsSince({ primary: serverOf().db, replica: replica.db });

    const page = climbs(QUESTION, { signal: abortion.signal });
    abortion.abort(reason);
    await expect(page).rejects.toBe(reason);
    connection.resolve();

    await sql`select 'another query'`.execute(replica.db);
    expect(replica.asked[0]).toBe("select 'another query'");
  });
});

/** A read of a replica that has these rows, and of a primary that has these. */
async function climb(replicaRows: object[], primaryRows: object[], more: object = {}) {
  const { reports, onOutcome } = recordReads();
  const replica = serverOf(...replicaRows).db;
  const primary = serverOf(...primaryRows).db;
  const climbs = createSnapshotsSince({ primary, replica, retryMs: 0, onOutcome, ...more });
  const page = await climbs(QUESTION).then(outline, (error: unknown) => error);
  return { page, report: reports[0] };
}
