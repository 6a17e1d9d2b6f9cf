import { type Kysely, sql } from 'kysely';
import { createReplicaFallback } from 'kysely-replica-fallback';
import { createCausalSession, walCatchUp, walPosition } from 'kysely-replica-fallback/postgres';
import { recordReads } from 'kysely-replica-fallback/testing';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { connect } from '../../support/connect.ts';
import {
  addOrder,
  createOrders,
  findOrder,
  orderReadsOf,
  type OrdersDatabase,
} from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { readFlushPosition } from '../../support/wal-filler.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);
await database.write(addOrder('old'), (db) => sql`create table import (row text)`.execute(db));
// Every now and then it would flush what the tests leave unflushed.
await sql`alter system set bgwriter_delay = '10s'`.execute(database.primary.db);
await sql`select pg_reload_conf()`.execute(database.primary.db);

/**
 * A transaction that writes and does not commit, such as a bulk import. The server flushes its log page by page, mostly up to
 * the middle of a record, and a standby gets what is flushed.
 */

const importer = connect<OrdersDatabase>(database.cluster.primary.connectionString, { max: 1 });
await sql`begin`.execute(importer.db);
afterAll(() => importer.end());
const importRow = () => sql`insert into import values (repeat('x', 60))`.execute(importer.db);

async function importUpToTheMiddleOfARecord(): Promise<void> {
  for (;;) {
    await importRow();
    const { inPage, isAll } = await readFlushPosition(database.primary.db);
    if (inPage === 0 && !isAll) return;
  }
}

const { onOutcome, outcomes } = recordReads();
const read = createReplicaFallback({
  primary: database.primary.db,
  replica: database.replica.db,
  catchUp: walCatchUp(),
  retryMs: 5_000,
  onOutcome,
});
const find = (id: string) => (db: Kysely<OrdersDatabase>) => findOrder(db, id).executeTakeFirst();

const READS: readonly { what: string; ask: () => Promise<unknown> }[] = [
  { what: "reads after 'now'", ask: () => read(find('old'), { after: 'now' }) },
  {
    what: 'reads after a position',
    ask: async () => read(find('old'), { after: await walPosition(database.primary.db) }),
  },
  { what: 'reads of rows that are nowhere', ask: () => read(find('nowhere')) },
  {
    what: 'reads of a session that has written',
    async ask() {
      const session = createCausalSession(read);
      session.wrote();
      return session.read(find('old'));
    },
  },
];

test.for(READS)(
  'while a transaction writes 100 rows a second, $what do not go to the primary',
  async ({ ask }) => {
    const end = new AbortController();
    onTestFinished(() => end.abort());
    const importing = (async () => {
      while (!end.signal.aborted) {
        await importRow();
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    })();
    for (let each = 0; each < 20; each++) {
      await ask();
      expect(outcomes.at(-1)).not.toBe('primary');
    }
    end.abort();
    await importing;
    expect(orderReadsOf(database.primary)).toEqual([]);
  },
);

test.for(READS)(
  'while a transaction has written and stays open, $what do not go to the primary',
  async ({ ask }) => {
    for (let each = 0; each < 3; each++) {
      await importUpToTheMiddleOfARecord();
      await ask();
      expect(outcomes.at(-1)).not.toBe('primary');
    }
    expect(orderReadsOf(database.primary)).toEqual([]);
  },
);

test('an ordinary role may ask for what has to be flushed first', async () => {
  await sql`create role ordinary login`.execute(database.primary.db);
  const address = new URL(database.cluster.primary.connectionString);
  address.username = 'ordinary';
  const ordinary = connect<OrdersDatabase>(address.href);
  onTestFinished(() => ordinary.end());
  await importUpToTheMiddleOfARecord();

  await walPosition(ordinary.db);

  expect(await readFlushPosition(database.primary.db)).toMatchObject({ isAll: true });
});

test('the testing kit does not wait for what is not flushed either', async () => {
  await importUpToTheMiddleOfARecord();

  const replayed = database.cluster.replicas[0].waitForReplay({ timeoutMs: 5_000 });

  await expect(replayed).resolves.toBeUndefined();
});
