import type { Kysely } from 'kysely';
import { createReplicaFallback, InvalidPositionError } from 'kysely-replica-fallback';
import { createCausalSession, walCatchUp, walPosition } from 'kysely-replica-fallback/postgres';
import {
  laggingReplica,
  type LaggingReplica,
  type LaggingReplicaOptions,
  recordReads,
} from 'kysely-replica-fallback/testing';
import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  onTestFinished,
  test,
  vi,
} from 'vitest';
import { connect } from '../../support/connect.ts';
import { openSharedCluster } from '../../support/shared-cluster.ts';
import { openSqlite } from '../../support/sqlite.ts';
import { TOO_LATE } from '../../support/too-late.ts';

interface Database {
  customer_order: { id: string; version: number };
}

describe.for(['PostgreSQL', 'SQLite'])('a stand-in for the replica, on %s,', (dialect) => {
  let primary: Kysely<Database>;
  const ends: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    if (dialect === 'SQLite') primary = openSqlite();
    else {
      const cluster = await openSharedCluster();
      primary = connect<Database>(cluster.primary.connectionString).db;
      ends.push(() => cluster.stop());
    }
    ends.unshift(() => primary.destroy());
    await primary.schema
      .createTable('customer_order')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('version', 'integer', (column) => column.notNull())
      .execute();
  });
  beforeEach(async () => {
    await primary.deleteFrom('customer_order').execute();
    await primary.insertInto('customer_order').values({ id: 'o1', version: 1 }).execute();
  });
  afterAll(async () => {
    for (const end of ends) await end();
  });

  /** For reads that wait in vain. */
  const SHORT_WINDOW_MS = 200;
  const update = () => primary.updateTable('customer_order').set({ version: 2 }).execute();
  const findInTransaction = (db: Kysely<Database>) => db.transaction().execute(find('o1'));
  const find = (id: string) => (db: Kysely<Database>) =>
    db.selectFrom('customer_order').selectAll().where('id', '=', id).executeTakeFirst();

  /** A stand-in, and reads of it with `catchUp`. */
  function stand(options: Partial<LaggingReplicaOptions<Database>> = {}, retryMs = 10_000) {
    const replica = laggingReplica(primary, { tables: ['customer_order'], ...options });
    onTestFinished(() => replica.release());
    const { onOutcome, outcomes, reports } = recordReads();
    const read = createReplicaFallback({
      primary,
      replica: replica.db,
      catchUp: replica.positions,
      retryMs,
      onOutcome,
    });
    const { calls } = vi.spyOn(replica.positions, 'recover').mock;
    const untilReadsWait = (count = 1) => expect.poll(() => calls).toHaveLength(count);
    return { replica, read, outcomes, reports, untilReadsWait };
  }

  test('is asked again at the moment when it has caught up', async () => {
    const { replica, read, reports } = stand({ catchUpAfterAttempts: 1 });

    expect(await read(find('o1'))).toEqual({ id: 'o1', version: 1 });
    expect(replica.answers).toEqual(['lagging', 'caught_up']);
    expect(reports).toMatchObject([
      {
        outcome: 'replica_retry',
        attempts: 2,
        recovery: { catchUp: { waitedFor: 'existence', end: 'caught_up' } },
      },
    ]);
  });

  test('is waited for, which is not counted as an attempt', async () => {
    const { replica, read, reports, untilReadsWait } = stand();

    const waiting = read(find('o1'));
    await untilReadsWait();
    replica.catchUp();

    expect(await waiting).toEqual({ id: 'o1', version: 1 });
    expect(replica.answers).toEqual(['lagging', 'caught_up']);
    expect(reports).toMatchObject([
      { outcome: 'replica_retry', attempts: 2, recovery: { catchUp: { end: 'caught_up' } } },
    ]);
  });

  test('has the last word on a row that is nowhere', async () => {
    const { read, outcomes } = stand({ catchUpAfterAttempts: 1 });

    expect(await read(find('nowhere'))).toBeUndefined();
    expect(outcomes).toEqual(['not_found']);
  });

  test('is too late, and later hopeless, when it does not catch up', async () => {
    const { replica, read, reports } = stand({}, SHORT_WINDOW_MS);
    for (let i = 0; i < 3; i++) {
      expect(await read(find('o1'))).toEqual({ id: 'o1', version: 1 });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }

    expect(replica.answers).toEqual(['lagging', 'lagging', 'lagging']);
    expect(reports).toMatchObject([
      { outcome: 'primary', attempts: 2, recovery: { catchUp: { end: TOO_LATE } } },
      { outcome: 'primary', attempts: 2, recovery: { catchUp: { end: TOO_LATE } } },
      { outcome: 'primary', attempts: 2, recovery: { catchUp: { end: 'hopeless' } } },
    ]);
  });

  test('is waited for in each lag anew, whatever an earlier one was like', async () => {
    const { read } = stand({}, SHORT_WINDOW_MS);
    await read(find('o1')); // in vain
    const { replica, read: readNext, outcomes, untilReadsWait } = stand();
    for (let lag = 1; lag <= 2; lag++) {
      replica.hide();
      const waiting = readNext(find('o1'));
      await untilReadsWait(lag);
      replica.catchUp();
      await waiting;
    }

    expect(outcomes).toEqual(['replica_retry', 'replica_retry']);
  });

  /** A position after what was written last, as code under test has it. */
  async function takePosition({ read }: ReturnType<typeof stand>): Promise<string> {
    if (dialect === 'PostgreSQL') return walPosition(primary);
    const session = createCausalSession(read);
    session.wrote();
    return (await session.position()) ?? 'none';
  }

  test('does not answer a read after a position that it does not have', async () => {
    const stood = stand({}, SHORT_WINDOW_MS);
    const { replica, read, reports } = stood;
    await replica.freeze();
    await update();
    const after = await takePosition(stood);

    expect(await read(find('o1'))).toMatchObject({ version: 1 });
    expect(await read(find('o1'), { after })).toMatchObject({ version: 2 });
    expect(replica.answers).toEqual(['lagging']); // a refusal is no answer
    expect(await read(find('o1'), { after: 'now' })).toMatchObject({ version: 2 });
    replica.catchUp();
    expect(await read(find('o1'), { after })).toMatchObject({ version: 2 });
    expect(await read(find('o1'), { after: 'now' })).toMatchObject({ version: 2 });

    expect(replica.answers).toEqual(['lagging', 'caught_up', 'caught_up']);
    expect(reports).toMatchObject([
      { outcome: 'replica' },
      { outcome: 'primary', recovery: { catchUp: { waitedFor: 'after', end: TOO_LATE } } },
      { outcome: 'primary', recovery: { catchUp: { waitedFor: 'after' } } },
      { outcome: 'replica' },
      { outcome: 'replica' },
    ]);
  });

  test('is waited for by a read after a position', async () => {
    const stood = stand();
    const { replica, read, outcomes, untilReadsWait } = stood;
    await replica.freeze();
    await update();
    const after = await takePosition(stood);

    const waiting = read(find('o1'), { after });
    await untilReadsWait();
    replica.catchUp();

    expect(await waiting).toMatchObject({ version: 2 });
    expect(outcomes).toEqual(['replica_retry']);
    expect(replica.answers).toEqual(['caught_up']);
  });

  test('answers a read after a position that was known before the lag began', async () => {
    const stood = stand();
    const { replica, read, outcomes } = stood;
    replica.catchUp();
    const after = await takePosition(stood);
    await read(find('o1'), { after });
    await replica.freeze();
    await update();

    expect(await read(find('o1'), { after })).toMatchObject({ version: 1 });
    expect(outcomes).toEqual(['replica', 'replica']);
  });

  test('lets a session see its own writes, and nothing older than it has seen', async () => {
    const { replica, read, outcomes } = stand({}, SHORT_WINDOW_MS);
    replica.catchUp();
    const session = createCausalSession(read);
    expect(await session.read(find('o1'))).toMatchObject({ version: 1 });
    await replica.freeze();
    expect(await session.read(find('o1'))).toMatchObject({ version: 1 });
    await update();
    session.wrote();
    expect(await session.read(find('o1'))).toMatchObject({ version: 2 });
    expect(await session.read(find('o1'))).toMatchObject({ version: 2 });
    replica.catchUp();
    expect(await session.read(find('o1'))).toMatchObject({ version: 2 });
    await replica.freeze();
    expect(await session.read(find('o1'))).toMatchObject({ version: 2 });

    expect(outcomes).toEqual(['replica', 'replica', 'primary', 'primary', 'replica', 'replica']);
  });

  test('is one of several, of which the one is asked that has caught up', async () => {
    const { replica, outcomes, read, untilReadsWait } = stand();
    const { replica: other } = stand();

    const waiting = read(find('o1'), { replica: [replica.db, other.db] });
    await untilReadsWait();
    other.catchUp();

    expect(await waiting).toMatchObject({ version: 1 });
    expect(outcomes).toEqual(['replica_retry']);
    expect(replica.answers.concat(other.answers)).toEqual(['lagging', 'caught_up']);
  });

  test.for(['nonsense', '', '000000000000-', '0-0', 'NOW'])(
    'tells a client that %o is no position',
    async (after) => {
      const { read } = stand();
      await expect(read(find('o1'), { after })).rejects.toThrow(InvalidPositionError);
    },
  );

  test('does not let a query start a transaction of its own where the attempt is checked', async () => {
    const { replica, read } = stand({ catchUpAfterAttempts: 1 });
    await expect(read(findInTransaction)).rejects.toThrow('Transaction');

    expect(await read(findInTransaction)).toMatchObject({ version: 1 });
    await expect(read(findInTransaction, { after: 'now' })).rejects.toThrow('Transaction');
    expect(replica.answers).toEqual(['lagging', 'caught_up']);
  });

  test('of a transaction has positions, too', async () => {
    const trx = await primary.startTransaction().execute();
    const replica: LaggingReplica<Database> = laggingReplica<Database>(trx, {
      tables: ['customer_order'],
    });
    const { read, outcomes } = stand();
    const options = { replica: replica.db, catchUp: replica.positions };
    replica.catchUp();
    try {
      // On SQLite there is one connection, which the transaction has.
      expect(await read(find('o1'), { ...options, after: 'now' })).toMatchObject({ version: 1 });
    } finally {
      await trx.rollback().execute();
    }
    expect(outcomes).toEqual(['replica']);
  });
});

test.for(['0-1-270', '3e11fa47-71ca-11e1-9e33-c80aa9429562.1-77'])(
  'a stand-in for the replica takes %o, as gtidPosition() returns it',
  async (after) => {
    await using primary = openSqlite<Database>();
    await primary.schema.createTable('customer_order').addColumn('id', 'text').execute();
    const replica = laggingReplica(primary, { tables: ['customer_order'] });
    const { onOutcome, outcomes } = recordReads();
    const options = { primary, replica: replica.db, catchUp: replica.positions, onOutcome };
    const read = createReplicaFallback({ ...options, retryMs: 1 });
    const find = (db: Kysely<Database>) => db.selectFrom('customer_order').select('id').execute();

    await read(find, { after });
    replica.catchUp();
    await read(find, { after });

    expect(outcomes).toEqual(['primary', 'replica']);
  },
);

describe('a stand-in for the replica, for code with `walCatchUp()` in it,', () => {
  test('is no standby: reads wait as without it, and those with `after` go to the primary', async () => {
    await using cluster = await openSharedCluster();
    const connection = connect<Database>(cluster.primary.connectionString);
    const primary = connection.db;
    onTestFinished(() => connection.end());
    await primary.schema
      .createTable('customer_order')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('version', 'integer', (column) => column.notNull())
      .execute();
    await primary.insertInto('customer_order').values({ id: 'o1', version: 1 }).execute();
    const replica = laggingReplica(primary, {
      tables: ['customer_order'],
      catchUpAfterAttempts: 1,
    });
    const { onOutcome, reports } = recordReads();
    const read = createReplicaFallback({
      primary,
      replica: replica.db,
      catchUp: walCatchUp(),
      retryMs: { delays: () => [50, 10_000] }, // time for the servers to answer, and a short blind wait
      onOutcome,
    });
    const find = (db: Kysely<Database>) =>
      db.selectFrom('customer_order').selectAll().executeTakeFirst();

    expect(await read(find)).toMatchObject({ id: 'o1' });
    expect(await read(find, { after: await walPosition(primary) })).toMatchObject({ id: 'o1' });
    expect(reports).toMatchObject([
      { outcome: 'replica_retry', recovery: { catchUp: { end: 'unknown' } } },
      { outcome: 'primary', recovery: { catchUp: { waitedFor: 'after', end: 'unknown' } } },
    ]);
  });
});
