// What the package promises, for whatever runs this file. It checks itself, prints what it has checked, and fails at the
// first promise that is broken.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { metrics } from '@opentelemetry/api';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { Kysely, PostgresDialect, sql } from 'kysely';
import {
  createReplicaFallback,
  type Outcome,
  type ReplicaFallbackOptions,
  ReplicaTimeoutError,
  returned,
  withReplicaFallback,
} from 'kysely-replica-fallback';
import { createCatchUp } from 'kysely-replica-fallback/catch-up';
import {
  createCausalSession,
  replicaUnavailable,
  surviveConnectionErrors,
  walCatchUp,
  walPosition,
} from 'kysely-replica-fallback/postgres';
import {
  createSnapshotsSince,
  createSnapshotTables,
  SnapshotNotFoundError,
  type SnapshotTables,
} from 'kysely-replica-fallback/snapshots';
import {
  laggingReplica,
  recordReads,
  startReplicationCluster,
} from 'kysely-replica-fallback/testing';
import { Pool } from 'pg';

interface Order {
  id: string;
  version: number;
}
type Database = SnapshotTables & { orders: Order };
type Client = Kysely<Database>;

/** A wait that ends because the replica has caught up. */
const PATIENT = { max: 20_000 };

class PullReader extends MetricReader {
  protected override async onShutdown(): Promise<void> {}
  protected override async onForceFlush(): Promise<void> {}
}

function connect(connectionString: string): Client {
  const pool = new Pool({ connectionString });
  surviveConnectionErrors(pool);
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
}

const reader = new PullReader();
metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
const cluster = await startReplicationCluster({ runtime: 'embedded' });
const [standby] = cluster.replicas;
const primary = connect(cluster.primary.connectionString);
const replica = connect(standby.connectionString);
const { outcomes, reports, onOutcome } = recordReads();
const defaults = { primary, replica, retryMs: 1, onOutcome };

const catchUp = async () => {
  await standby.resumeReplay();
  await standby.waitForReplay();
};
const setVersion = (version: number) =>
  primary.updateTable('orders').set({ version }).where('id', '=', 'old').execute();
const add = (id: string) => primary.insertInto('orders').values({ id, version: 1 }).execute();
const find = (db: Client, id: string) =>
  db.selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst();

/** How a read of an order ended, and what it found. `afterMiss` happens between the replica's answer and the wait. */
async function see(
  id: string,
  options: Partial<ReplicaFallbackOptions<Client, Order | undefined>> = {},
  afterMiss?: () => Promise<void>,
): Promise<[Outcome | undefined, Order | undefined]> {
  const order = await withReplicaFallback(
    async (db, { source }) => {
      const found = await find(db, id);
      if (source === 'replica') await afterMiss?.();
      return found;
    },
    { ...defaults, ...options },
  );
  return [outcomes.at(-1), order];
}

const order = (id: string, version = 1): Order => ({ id, version });

await primary.schema
  .createTable('orders')
  .addColumn('id', 'text', (column) => column.primaryKey())
  .addColumn('version', 'integer', (column) => column.notNull())
  .execute();
await createSnapshotTables(primary);
await add('old');
await catchUp();

const promises: Record<string, () => Promise<void>> = {
  async 'CommonJS loads the same module'() {
    const loaded = createRequire(import.meta.url)('kysely-replica-fallback');
    assert.equal(loaded.withReplicaFallback, withReplicaFallback);
  },

  async 'a hit is the answer of the replica'() {
    assert.deepEqual(await see('old'), ['replica', order('old')]);
  },

  async 'a miss ends on the retry'() {
    await standby.pauseReplay();
    await add('retried');
    assert.deepEqual(await see('retried', {}, catchUp), ['replica_retry', order('retried')]);
  },

  async 'a miss ends on the primary'() {
    await standby.pauseReplay();
    await add('spilled');
    assert.deepEqual(await see('spilled'), ['primary', order('spilled')]);
    await catchUp();
  },

  async 'a row that is nowhere is not found'() {
    assert.deepEqual(await see('nowhere'), ['not_found', undefined]);
  },

  async 'catch-up waits until the replica has the row'() {
    await standby.pauseReplay();
    await add('awaited');
    const informed = { catchUp: walCatchUp(), retryMs: PATIENT };
    assert.deepEqual(await see('awaited', informed, catchUp), ['replica_retry', order('awaited')]);
    assert.equal(reports.at(-1)?.recovery?.catchUp?.end, 'caught_up');
  },

  async 'a position asks for a version'() {
    await standby.pauseReplay();
    await setVersion(2);
    const after = await walPosition(primary);
    const [lagging, found] = await see('old', { catchUp: walCatchUp(), after });
    assert.deepEqual([lagging, found], ['primary', order('old', 2)]);
    await catchUp();
    const [caughtUp, again] = await see('old', {
      catchUp: walCatchUp(),
      after: 'now',
      retryMs: PATIENT,
    });
    assert.notEqual(caughtUp, 'primary');
    assert.deepEqual(again, order('old', 2));
  },

  async 'a session sees what it wrote'() {
    const session = createCausalSession(
      createReplicaFallback({ ...defaults, catchUp: walCatchUp() }),
    );
    await standby.pauseReplay();
    await setVersion(3);
    session.wrote();
    assert.deepEqual(await session.read((db) => find(db, 'old')), order('old', 3));
    assert.equal(outcomes.at(-1), 'primary');
    await catchUp();
    const again = await session.read((db) => find(db, 'old'), { retryMs: PATIENT });
    assert.deepEqual(again, order('old', 3));
    assert.notEqual(outcomes.at(-1), 'primary');
    assert.equal(typeof (await session.position()), 'string');
  },

  async 'another database brings its own positions'() {
    const position = async (db: Client) => String((await find(db, 'old'))?.version);
    const own = createCatchUp<Client>({
      position,
      replayed: position,
      compare: (replayed, wanted) => (replayed >= wanted ? 'reached' : 'behind'),
      runAt: (db, _position, query) => query(db),
    });
    assert.deepEqual(await see('old', { catchUp: own, after: '3' }), ['replica', order('old', 3)]);
  },

  async 'a replica that takes too long is given up'() {
    // To the types of kysely 0.28, it takes no signal.
    const sleep: { execute(db: Client, options: { signal: AbortSignal | undefined }): unknown } =
      sql`select pg_sleep(600)`;
    const answer = await withReplicaFallback(
      async (db, { source, signal }) => {
        if (source === 'replica') await sleep.execute(db, { signal });
        return source;
      },
      { ...defaults, replicaTimeoutMs: 50, isUnavailable: replicaUnavailable },
    );
    assert.equal(answer, 'primary');
    assert.ok(reports.at(-1)?.replicaError instanceof ReplicaTimeoutError);
  },

  async 'a signal ends the read with its reason'() {
    const reason = new Error('enough');
    const controller = new AbortController();
    const read = see(
      'nowhere',
      { retryMs: { min: 600_000, max: 600_000 }, signal: controller.signal },
      async () => controller.abort(reason),
    );
    assert.equal(await read.catch((error: unknown) => error), reason);
  },

  async 'a replica that is down leaves the read to the primary'() {
    await standby.stop();
    const late = connect(standby.connectionString);
    await assert.rejects(find(late, 'old'), { code: 'ECONNREFUSED' });
    await late.destroy();
    const isUnavailable = replicaUnavailable;
    assert.deepEqual(await see('old', { isUnavailable }), ['primary', order('old', 3)]);
    await assert.rejects(see('old'));
    await standby.start();
    assert.deepEqual(await see('old', { isUnavailable }), ['replica', order('old', 3)]);
  },

  async 'snapshots since come from the replica'() {
    const since = createSnapshotsSince({ primary, replica, retryMs: 1, onOutcome });
    const row = { run_id: 'run', is_valid: true, completed_waitpoint_order: [] };
    for (const id of ['s1', 's2']) {
      const created_at = new Date();
      await primary
        .insertInto('execution_snapshot')
        .values({ ...row, id, created_at })
        .execute();
    }
    await catchUp();
    const { snapshots } = await since({ runId: 'run', snapshotId: 's1' });
    assert.deepEqual(
      snapshots.map(({ id }) => id),
      ['s2'],
    );
    await assert.rejects(since({ runId: 'run', snapshotId: 's0' }), SnapshotNotFoundError);
  },

  async 'a stand-in lags for tests'() {
    const standIn = laggingReplica(primary, { tables: ['orders'], catchUpAfterAttempts: 1 });
    const isMiss = returned<Order | undefined>((found) => found === undefined);
    assert.deepEqual(await see('old', { replica: standIn.db, isMiss }), [
      'replica_retry',
      order('old', 3),
    ]);
  },

  async 'OpenTelemetry has counted each read'() {
    const { resourceMetrics } = await reader.collect();
    const reads = resourceMetrics.scopeMetrics
      .flatMap((scope) => scope.metrics)
      .find(({ descriptor }) => descriptor.name === 'replica_fallback.reads');
    const counted = reads?.dataPoints.map(({ attributes, value }) => [
      attributes['outcome'],
      value,
    ]);
    const seen = new Map<Outcome, number>();
    for (const outcome of outcomes) seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
    const sum = (outcome: Outcome) =>
      counted
        ?.filter(([name]) => name === outcome)
        .reduce((total, [, value]) => total + Number(value), 0);
    for (const [outcome, times] of seen) assert.equal(sum(outcome), times, outcome);
  },
};

try {
  for (const [promise, keep] of Object.entries(promises)) {
    await keep();
    process.stdout.write(`${promise}\n`);
  }
} finally {
  // First the servers: a query that could not be cancelled would keep its pool busy.
  await cluster.stop();
  await Promise.all([primary.destroy(), replica.destroy()]);
}
