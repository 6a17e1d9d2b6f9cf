import { type Kysely, sql } from 'kysely';
import { InvalidOptionError, withReplicaFallback } from 'kysely-replica-fallback';
import { walCatchUp, type WalCatchUpOptions, walPosition } from 'kysely-replica-fallback/postgres';
import { expect, test } from 'vitest';
import { afterFirstAnswer } from '../../support/after-first-answer.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { seeRead } from '../../support/see-read.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);
await database.write(addOrder('there'));
/** The standby has replayed it. */
const replayed = await walPosition(database.primary.db);
await database.catchUp();

/** A query with a transaction of its own. The standby catches up as soon as it has been read. */
function read(id: string, options: WalCatchUpOptions, after?: string) {
  return seeRead(
    (db: Kysely<OrdersDatabase>) =>
      db.transaction().execute((own) => findOrder(own, id).executeTakeFirst()),
    {
      primary: database.primary.db,
      replica: afterFirstAnswer(database.replica.db, () => database.catchUp()),
      catchUp: walCatchUp(options),
      after,
      retryMs: 10_000,
    },
  );
}

/** An order that the standby does not have yet. */
async function addLate(id: string): Promise<void> {
  await database.holdBack();
  await database.write(addOrder(id));
}

test('a query with a transaction of its own works where an attempt is checked on a connection', async () => {
  await addLate('connection');

  const { result, report } = await read('connection', { pin: 'connection' });
  expect(result).toMatchObject({ value: { id: 'connection', servedBy: 'replica' } });
  expect(report.outcome).toBe('replica_retry');

  const { result: after } = await read('there', { pin: 'connection' }, 'now');
  expect(after).toMatchObject({ value: { id: 'there', servedBy: 'replica' } });
});

test('a query with a transaction of its own fails where an attempt is checked in a transaction', async () => {
  const { report: hit } = await read('there', {});
  expect(hit.outcome).toBe('replica');

  await addLate('transaction');
  const { report: miss } = await read('transaction', {});
  const { report: after } = await read('there', {}, 'now');

  for (const { outcome, error } of [miss, after]) {
    expect(outcome).toBe('error');
    expect(error).toBeInstanceOf(InvalidOptionError);
    expect(String(error)).toContain("`pin: 'connection'`");
    expect(String(error)).toContain('the transaction method for a Transaction is not supported');
    expect(error).toHaveProperty('cause.message', expect.stringContaining('for a Transaction'));
  }
});

test('the other ways to a connection of its own fail in the same way', async () => {
  const queries: ((db: Kysely<OrdersDatabase>) => Promise<object>)[] = [
    (db) => db.startTransaction().execute(),
    (db) => db.connection().execute(async () => ({})),
  ];

  const reads = await Promise.all(queries.map((query) => seeRead(query, checked())));

  for (const { report } of reads) {
    expect(String(report.error)).toContain("`pin: 'connection'`");
  }
});

/** Goes on after an error, as a query does that probes for something optional. */
async function probe(run: (sql: string) => Promise<unknown>): Promise<unknown> {
  await run('table not_there').catch(() => {});
  return run('table orders');
}

const probeByKysely = (db: Kysely<OrdersDatabase>) =>
  probe((statement) => sql.raw(statement).execute(db)) as Promise<object>;

test('an error that the query catches fails what comes next, in a transaction', async () => {
  await database.catchUp();
  const hit = await seeRead(probeByKysely, { ...checked(), catchUp: undefined, after: undefined });
  const inTransaction = await seeRead(probeByKysely, checked());
  const onConnection = await seeRead(
    probeByKysely,
    checked({ catchUp: walCatchUp({ pin: 'connection' }) }),
  );

  expect([hit, onConnection].map(({ report }) => report.outcome)).toEqual(['replica', 'replica']);
  const { error } = inTransaction.report;
  expect(String(error)).toContain("`pin: 'connection'`");
  expect(error).toHaveProperty('cause.code', '25P02');
});

test('and so it does on a pool of pg', async () => {
  const clients = { primary: database.primary.pool, replica: database.replica.pool };
  const probing = withReplicaFallback((pool) => probe((statement) => pool.query(statement)), {
    ...clients,
    catchUp: walCatchUp(),
    after: replayed,
  });

  await expect(probing).rejects.toThrow("`pin: 'connection'`");
});

test("the caller's own error stays the same object, in a transaction as well", async () => {
  const own = Object.assign(new Error('mine'), { code: 'P0001' });
  const wrapped = new Error('mine', { cause: Object.assign(new Error('…'), { code: '25P02' }) });

  for (const error of [own, wrapped]) {
    const query = async (): Promise<object> => {
      throw error;
    };
    const { report } = await seeRead(query, checked());
    expect(report.error).toBe(error);
  }
});

function checked(overrides: object = {}) {
  return {
    primary: database.primary.db,
    replica: database.replica.db,
    catchUp: walCatchUp(),
    after: replayed,
    ...overrides,
  };
}
