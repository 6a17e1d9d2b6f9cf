import { diag } from '@opentelemetry/api';
import { type Kysely, sql } from 'kysely';
import {
  createPrimaryBudget,
  createReplicaFallback,
  type Outcome,
  PrimaryBudgetExceededError,
  type ReadReport,
  type ReplicaFallbackOptions,
  ReplicaTimeoutError,
  returned,
} from 'kysely-replica-fallback';
import {
  createCausalSession,
  replicaUnavailable,
  walCatchUp,
  walPosition,
} from 'kysely-replica-fallback/postgres';
import {
  createSnapshotsSince,
  createSnapshotTables,
  type SnapshotTables,
} from 'kysely-replica-fallback/snapshots';
import { laggingReplica } from 'kysely-replica-fallback/testing';
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { type Connection, connect } from '../support/connect.ts';
import { inMemoryMetrics } from '../support/in-memory-metrics.ts';
import { spansOf } from '../support/in-memory-span.ts';
import { printed } from '../support/printed.ts';
import { recordDiagnostics } from '../support/recording-diagnostics.ts';
import { recordingLogger } from '../support/recording-logger.ts';
import { replicatedDatabase } from '../support/replicated-database.ts';

/** In all that has to stay where it is: text and parameters of queries, rows, ids, keys, and who connects. */
const HUSHED = 'hushed';
/** Nor is a position told, of any cluster. */
const POSITION = /[\da-f]{12}-[1-9a-f][\da-f]+/;

interface Database extends SnapshotTables {
  parcels: { id: string; note: string };
}
type Client = Kysely<Database>;
type Options = Omit<ReplicaFallbackOptions<Client, never>, 'isMiss'>;

const database = await replicatedDatabase<Database>(createTables);

async function createTables(db: Client): Promise<void> {
  await createSnapshotTables(db);
  await sql`create table parcels (id text primary key, note text not null)`.execute(db);
  await sql`drop role if exists hushed_user`.execute(db);
  await sql`create role hushed_user superuser login password 'hushed-password'`.execute(db);
}

let primary: Connection<Database>;
let replica: Connection<Database>;
beforeAll(() => {
  primary = connect(asHushedUser(database.cluster.primary.connectionString));
  replica = connect(asHushedUser(database.cluster.replicas[0].connectionString));
});
afterEach(() => database.catchUp());
afterAll(() => Promise.all([primary.end(), replica.end()]));

let count = 0;
/** A row that the standby has if it is not held back. */
async function addParcel(): Promise<string> {
  const id = `hushed-id-${count++}`;
  await database.write((db) =>
    db.insertInto('parcels').values({ id, note: 'hushed-row' }).execute(),
  );
  return id;
}

const find = (id: string) => (db: Client) =>
  db
    .selectFrom('parcels')
    .selectAll()
    .where('id', '=', id)
    .where(sql<boolean>`'hushed text' = 'hushed text'`)
    .executeTakeFirst();

/** A database that is down, for as long as the test lasts. */
function nowhere(): Client {
  const connection = connect<Database>('postgres://hushed_user:hushed-password@127.0.0.1:1/hushed');
  onTestFinished(() => connection.end());
  return connection.db;
}

interface Case {
  readonly what: string;
  readonly outcome: Outcome;
  readonly run: (options: Options) => Promise<unknown>;
}

/** Each begins with a standby that has everything. */
const CASES: readonly Case[] = [
  {
    what: 'a hit',
    outcome: 'replica',
    run: async (options) => createReplicaFallback(options)(find(await addParcel())),
  },
  {
    what: 'a retry that finds the row',
    outcome: 'replica_retry',
    run: (options) => readWhileItArrives(options),
  },
  {
    what: 'a read that the primary serves',
    outcome: 'primary',
    run: async (options) => {
      await database.holdBack();
      return createReplicaFallback(options)(find(await addParcel()));
    },
  },
  {
    what: 'a read of a row that is nowhere',
    outcome: 'not_found',
    run: (options) => createReplicaFallback(options)(find('hushed-nowhere')),
  },
  {
    what: 'a read that the budget rejects after a row that is too old',
    outcome: 'rejected',
    run: async (options) => {
      const primaryBudget = createPrimaryBudget({ ratio: 0, minPerSecond: 0 });
      const isMiss = returned(() => true);
      const read = createReplicaFallback({ ...options, primaryBudget, isMiss });
      return read(find(await addParcel()));
    },
  },
  {
    what: 'a read that the budget rejects while the replica is down',
    outcome: 'rejected',
    run: (options) => {
      const primaryBudget = createPrimaryBudget({ ratio: 0, minPerSecond: 0 });
      return createReplicaFallback({ ...options, replica: nowhere(), primaryBudget })(
        find('hushed-id'),
      );
    },
  },
  {
    what: 'a query that is wrong',
    outcome: 'error',
    run: (options) =>
      createReplicaFallback(options)((db) => sql`select ${'hushed-row'}::text::int`.execute(db)),
  },
  {
    what: 'a replica that is down',
    outcome: 'primary',
    run: async (options) =>
      createReplicaFallback({ ...options, replica: nowhere() })(find(await addParcel())),
  },
  {
    what: 'a replica that takes too long',
    outcome: 'primary',
    run: (options) =>
      createReplicaFallback({ ...options, replicaTimeoutMs: 1 })((db, { signal, source }) =>
        sql`select 'hushed-row', pg_sleep(${source === 'primary' ? 0 : 30})`.execute(db, {
          signal,
          inflightQueryAbortStrategy: 'cancel query',
        }),
      ),
  },
  {
    what: 'a read that is aborted',
    outcome: 'error',
    run: (options) => {
      const abortion = new AbortController();
      return createReplicaFallback(options)(
        async (db) => {
          const row = await find('hushed-nowhere')(db);
          abortion.abort();
          return row;
        },
        { signal: abortion.signal },
      );
    },
  },
  {
    what: 'two reads that share a query',
    outcome: 'primary',
    run: async (options) => {
      await database.holdBack();
      const read = createReplicaFallback(options);
      const id = await addParcel();
      return Promise.all([1, 2].map(() => read(find(id), { coalesceKey: 'hushed-key' })));
    },
  },
  {
    what: 'a wait that ends when the standby has caught up',
    outcome: 'replica_retry',
    run: (options) => readWhileItArrives({ ...options, catchUp: walCatchUp(), retryMs: 30_000 }),
  },
  {
    what: 'a wait for a standby that is too late',
    outcome: 'primary',
    run: async (options) => {
      await database.holdBack();
      const read = createReplicaFallback({ ...options, catchUp: walCatchUp(), retryMs: 50 });
      await read(find(await addParcel()));
      return read(find(await addParcel())); // and after that it is hopeless
    },
  },
  {
    what: 'a wait for a primary whose position nobody knows',
    outcome: 'error',
    run: (options) =>
      createReplicaFallback({ ...options, primary: nowhere(), catchUp: walCatchUp() })(
        find('hushed-nowhere'),
      ),
  },
  {
    what: 'a read after a position',
    outcome: 'primary',
    run: async (options) => {
      await database.holdBack();
      const id = await addParcel();
      const after = await walPosition(primary.db);
      const read = createReplicaFallback({ ...options, catchUp: walCatchUp(), retryMs: 50 });
      return read(find(id), { after });
    },
  },
  {
    what: 'a session',
    outcome: 'primary',
    run: async (options) => {
      await database.holdBack();
      const read = createReplicaFallback({ ...options, catchUp: walCatchUp(), retryMs: 50 });
      const session = createCausalSession(read);
      const id = await addParcel();
      session.wrote();
      await session.read(find(id));
      return session.position();
    },
  },
  {
    what: 'a poll for snapshots',
    outcome: 'not_found',
    run: (options) => {
      const since = createSnapshotsSince(options);
      return since({ runId: 'hushed-run', snapshotId: 'hushed-snapshot' }).catch(() => {});
    },
  },
];

/** Reads a row that the standby gets as soon as it has missed it. */
async function readWhileItArrives(options: Options): Promise<unknown> {
  await database.holdBack();
  const id = await addParcel();
  return createReplicaFallback(options)(async (db, { source }) => {
    const row = await find(id)(db);
    if (source === 'replica') await database.catchUp();
    return row;
  });
}

/** Runs a case, and gives all that was written meanwhile, except for what is documented to be somebody else's words. */
async function record(run: Case['run']) {
  const { meter, collect } = inMemoryMetrics();
  const logger = recordingLogger();
  const reports: ReadReport[] = [];
  const diagnostics = recordDiagnostics();
  const consoleLines = (['log', 'info', 'warn', 'error', 'debug'] as const).map((method) =>
    vi.spyOn(console, method),
  );
  const options: Options = {
    primary: primary.db,
    replica: replica.db,
    isUnavailable: replicaUnavailable,
    retryMs: 1,
    operation: 'parcel_by_id',
    meter,
    logger,
    onOutcome: (report) => void reports.push(report),
  };
  let thrown: unknown;
  try {
    const spans = await spansOf(() =>
      run(options).catch((error: unknown) => {
        thrown = error;
      }),
    );
    const written = [
      JSON.stringify(await collect()),
      JSON.stringify(spans),
      ...logger.lines.map(({ message, fields }) => message + printed(ownWordsOf(fields))),
      ...reports.map((report) => printed(ownWordsOf(report))),
      ...diagnostics.flat().map((entry) => printed(isOwn(entry) ? entry : '')),
      printed(isOwn(thrown) ? thrown : ''),
      ...consoleLines.flatMap(({ mock }) => mock.calls).map((line) => printed(line)),
    ];
    return { written: written.join('\n'), reports };
  } finally {
    for (const spy of consoleLines) spy.mockRestore();
    diag.disable();
  }
}

/** A report without the errors of the client, which are passed on as they are. */
function ownWordsOf({ error, replicaError, ...words }: ReadReport): object {
  return {
    ...words,
    error: isOwn(error) && error,
    replicaError: isOwn(replicaError) && replicaError,
  };
}

function isOwn(entry: unknown): boolean {
  return (
    typeof entry === 'string' ||
    entry instanceof PrimaryBudgetExceededError ||
    entry instanceof ReplicaTimeoutError
  );
}

function asHushedUser(connectionString: string): string {
  const url = new URL(connectionString);
  url.username = 'hushed_user';
  url.password = 'hushed-password';
  url.searchParams.set('application_name', 'hushed-service');
  return url.href;
}

test.for(CASES)(
  'writes nothing of what is asked and answered in $what',
  async ({ outcome, run }) => {
    const { written, reports } = await record(run);

    expect(reports.at(-1)?.outcome).toBe(outcome);
    expect(written).toContain(outcome);
    expect(written).not.toContain(HUSHED);
    expect(written).not.toMatch(POSITION);
  },
);

test('has a case for each outcome', () => {
  const outcomes = new Set(CASES.map(({ outcome }) => outcome));
  expect([...outcomes].toSorted()).toEqual(
    ['error', 'not_found', 'primary', 'rejected', 'replica', 'replica_retry'].toSorted(),
  );
});

test("writes nothing of what is asked in the refusals of a test's stand-in", async () => {
  const { db: stale } = laggingReplica(primary.db, { tables: ['parcels'] });
  const refusals = await Promise.allSettled([
    sql`select * from parcels where id = ${'hushed-id'} and note <> 'hushed text'`.execute(stale),
    sql`delete from parcels where note = 'hushed text'`.execute(stale),
    stale.insertInto('parcels').values({ id: 'hushed-id', note: 'hushed-row' }).execute(),
  ]);
  for (const refusal of refusals) {
    expect(refusal.status).toBe('rejected');
    expect(printed(refusal)).not.toContain(HUSHED);
  }
});
