import { type Kysely, sql } from 'kysely';
import { walCatchUp, walPosition } from 'kysely-replica-fallback/postgres';
import { expect, test } from 'vitest';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { seeRead } from '../../support/see-read.ts';
import { commitUpToPageEnd, readInsertPosition } from '../../support/wal-filler.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);
const primary = database.primary.db;

/** At the start of a page, the server's own position is one that no idle standby arrives at. */

let orders = 0;
const addNext = () => addOrder(`order-${++orders}`)(primary);

async function hasReplayed(lsn: string): Promise<boolean | undefined> {
  const { rows } = await sql<{ isThere: boolean }>`
    select pg_last_wal_replay_lsn() >= ${lsn}::pg_lsn as "isThere"`.execute(database.replica.db);
  return rows[0]?.isThere;
}

test.for([
  {
    start: 'a page',
    write: () => commitUpToPageEnd(primary, addNext),
    at: { inPage: 24 },
  },
  {
    start: 'a segment',
    write: async () => {
      await addNext();
      await sql`select pg_switch_wal()`.execute(primary);
    },
    at: { inSegment: 40 },
  },
])(
  'is served by a replica that has all there is, up to the start of $start',
  { retry: 2 }, // the server may write a record of its own in between
  async ({ write, at }) => {
    await write();
    const inserted = await readInsertPosition(primary);
    const position = await walPosition(primary);

    const { result, report } = await seeRead(
      (db: Kysely<OrdersDatabase>) => findOrder(db, `order-${orders}`).executeTakeFirst(),
      {
        primary,
        replica: database.replica.db,
        catchUp: walCatchUp(),
        after: position,
        retryMs: 5_000,
      },
    );

    expect(result).toMatchObject({ status: 'fulfilled', value: { servedBy: 'replica' } });
    expect(report.outcome).toMatch(/^replica/);
    // It would still wait for the server's own position, and for ever, because nothing is written any more.
    expect(inserted).toMatchObject(at);
    expect(await hasReplayed(inserted.lsn)).toBe(false);
    expect(await readInsertPosition(primary)).toEqual(inserted);
  },
);
