import { diag } from '@opentelemetry/api';
import { type Kysely, sql } from 'kysely';
import { withReplicaFallback } from 'kysely-replica-fallback';
import {
  refusedByStandby,
  replicaUnavailable,
  walCatchUp,
  walPosition,
} from 'kysely-replica-fallback/postgres';
import { recordReads } from 'kysely-replica-fallback/testing';
import { expect, onTestFinished, test } from 'vitest';
import { connect } from '../../support/connect.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { recordDiagnostics } from '../../support/recording-diagnostics.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';

const database = await replicatedDatabase<OrdersDatabase>(async (db) => {
  await createOrders(db);
  await addOrder('1')(db);
  await sql`create unlogged table visits (id int)`.execute(db);
  await sql`create sequence numbers`.execute(db);
});

test.for([
  'select * from orders for update',
  'select * from orders for share',
  `select nextval('numbers')`,
  'select pg_current_xact_id()',
  `select pg_notify('a', 'b')`,
  'select pg_current_wal_lsn()',
  'table visits',
])('%s is refused by a standby, and answered by the primary', async (query) => {
  const { onOutcome, outcomes, reports } = recordReads();

  await withReplicaFallback((db) => sql.raw(query).execute(db), {
    primary: database.primary.db,
    replica: database.replica.db,
    isUnavailable: refusedByStandby,
    onOutcome,
  });

  expect(outcomes).toEqual(['primary']);
  expect(replicaUnavailable(reports[0]?.replicaError)).toBe(false);
});

test('a serializable transaction is refused by a standby', async () => {
  const { db } = database.replica;
  const transaction = db.transaction().setIsolationLevel('serializable');
  const error = await transaction
    .execute((trx) => findOrder(trx, '1').execute())
    .catch((thrown: unknown) => thrown);

  expect(refusedByStandby(error)).toBe(true);
});

/** A client of the standby whose transactions are serializable, until the test ends. */
function openSerializable(): Kysely<OrdersDatabase> {
  const { connectionString } = database.cluster.replicas[0];
  const connection = connect<OrdersDatabase>(connectionString, {
    options: '-c default_transaction_isolation=serializable',
  });
  onTestFinished(() => connection.end());
  return connection.db;
}

test('where serializable is the default, a standby refuses each read, and the primary answers', async () => {
  const { onOutcome, outcomes } = recordReads();

  await withReplicaFallback((db) => findOrder(db, '1').executeTakeFirst(), {
    primary: database.primary.db,
    replica: openSerializable(),
    isUnavailable: refusedByStandby,
    onOutcome,
  });

  expect(outcomes).toEqual(['primary']);
});

test('where serializable is the default, what is checked is answered by the standby', async () => {
  const after = await walPosition(database.primary.db);
  await database.catchUp();
  const { onOutcome, outcomes } = recordReads();

  const order = await withReplicaFallback((db) => findOrder(db, '1').executeTakeFirst(), {
    primary: database.primary.db,
    replica: openSerializable(),
    catchUp: walCatchUp(),
    after,
    onOutcome,
  });

  expect(order).toMatchObject({ id: '1' });
  expect(outcomes).toEqual(['replica']);
});

test('where serializable is the default, no standby is waited for, and diagnostics say why', async () => {
  const diagnostics = recordDiagnostics();
  onTestFinished(() => diag.disable());
  await database.holdBack();
  onTestFinished(() => database.catchUp());
  await database.write(addOrder('2'));
  const { onOutcome, reports } = recordReads();

  await withReplicaFallback((db) => findOrder(db, '2').executeTakeFirst(), {
    primary: database.primary.db,
    replica: openSerializable(),
    catchUp: walCatchUp(),
    after: 'now',
    onOutcome,
  });

  expect(reports).toMatchObject([
    { outcome: 'primary', recovery: { catchUp: { end: 'unknown' } } },
  ]);
  const message = 'cannot use serializable mode in a hot standby';
  expect(diagnostics).toContainEqual([
    expect.stringContaining('A replica gave no position.'),
    expect.objectContaining({ message }),
  ]);
});
