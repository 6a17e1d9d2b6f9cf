import { type Kysely, sql } from 'kysely';
import { walCatchUp, walPosition } from 'kysely-replica-fallback/postgres';
import type { ReplicationCluster } from 'kysely-replica-fallback/testing';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { afterFirstAnswer } from './after-first-answer.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from './orders.ts';
import { fillPage } from './fill-page.ts';
import { type ReplicatedDatabase, startReplicatedDatabase } from './replicated-database.ts';
import { seeRead } from './see-read.ts';

/** Tests how catch-up reads behave on the servers that `start` starts, of whichever version. */
export function testCatchUp(start: () => Promise<ReplicationCluster>): void {
  let database: ReplicatedDatabase<OrdersDatabase>;
  beforeAll(async () => {
    database = await startReplicatedDatabase(createOrders, start);
  }, START_TIMEOUT_MS);
  afterEach(() => database.catchUp());
  afterAll(() => database.end());

  /** A read of an order, and what else the servers were asked for it. */
  const see = async (id: string, options: Options = {}) => {
    const { primary, replica } = database;
    const before = { primary: primary.queries.length, replica: replica.queries.length };
    const read = await seeRead((db) => findOrder(db, id).executeTakeFirst(), {
      primary: primary.db,
      replica: replica.db,
      catchUp: walCatchUp(),
      retryMs: { max: 20_000 },
      ...options,
    });
    const othersOn = (server: keyof typeof before) =>
      database[server].queries.slice(before[server]).filter((query) => !/"orders"/.test(query));
    return { ...read, onPrimary: othersOn('primary'), onReplica: othersOn('replica') };
  };

  /** The same, while the replica gets nothing new until it has answered, and has said how far it is. */
  const seeUnderLag = async (id: string, options?: Options) => {
    const { queries } = database.replica;
    const before = queries.length;
    const catchUpLate = async () => {
      await expect.poll(() => queries.slice(before).some(isLook)).toBe(true);
      await database.catchUp();
    };
    let lag: Promise<void> | undefined;
    const replica = afterFirstAnswer(database.replica.db, async () => {
      lag = catchUpLate();
    });
    const read = await see(id, { ...options, replica });
    await lag;
    return read;
  };

  test('serve a new row from the replica, once that has caught up', async () => {
    await database.holdBack();
    await database.write(addOrder('new'));

    const { result, asked, report, onPrimary } = await seeUnderLag('new');

    expect(result).toMatchObject({ value: { id: 'new', servedBy: 'replica' } });
    expect(asked).toEqual(['replica', 'replica_retry']);
    expect(report.recovery?.catchUp).toMatchObject({ waitedFor: 'existence', end: 'caught_up' });
    expect(onPrimary).toHaveLength(1);
  });

  test('read nothing on the primary for a row that is nowhere', async () => {
    const { result, asked, report, onPrimary } = await see('nowhere');

    expect(result).toMatchObject({ value: undefined });
    expect(asked).toEqual(['replica', 'replica_retry']);
    expect(report.outcome).toBe('not_found');
    expect(onPrimary).toHaveLength(1);
  });

  test('serve a version after a position from the replica, once that has caught up', async () => {
    await database.write(addOrder('changed', 1));
    await database.holdBack();
    await database.write(setVersion('changed', 2));
    const after = await walPosition(database.primary.db);

    const { result, report } = await seeUnderLag('changed', { after });

    expect(result).toMatchObject({ value: { version: 2, servedBy: 'replica' } });
    expect(report.outcome).toBe('replica_retry');
    expect(report.recovery?.catchUp).toMatchObject({ waitedFor: 'after', end: 'caught_up' });
  });

  test("see with `after: 'now'` what was committed before", async () => {
    await database.write(addOrder('now', 1));
    await database.holdBack();
    await database.write(setVersion('now', 2));

    const { result, asked } = await seeUnderLag('now', { after: 'now' });

    expect(result).toMatchObject({ value: { version: 2, servedBy: 'replica' } });
    expect(asked).not.toContain('primary');
  });

  test('find that an idle replica has a position at the end of a page', async () => {
    await database.write(addOrder('paged'));
    await fillPage(database.primary.db);
    const after = await walPosition(database.primary.db);
    expect(after).toMatch(/[02468ace]000$/);

    const { result, asked } = await see('paged', { after });

    expect(result).toMatchObject({ value: { id: 'paged' } });
    expect(asked).not.toContain('primary');
  });

  test('let a server wait by itself from PostgreSQL 19 on, and ask older ones again', async () => {
    await database.holdBack();
    await database.write(addOrder('waited for'));

    const { onReplica } = await seeUnderLag('waited for');

    expect(onReplica.some(isWait)).toBe(await canWait(database));
  });

  test('ask a server nothing else while it waits by itself', async ({ skip }) => {
    skip(!(await canWait(database)), 'It cannot before PostgreSQL 19.');
    await database.holdBack();
    await database.write(addOrder('left alone'));

    const { onReplica } = await seeUnderLag('left alone');

    const looks = onReplica.filter(isLook);
    const waits = onReplica.filter(isWait);
    const check = 1;
    expect(looks.length).toBeLessThanOrEqual(1 + waits.length + check);
  });
}

/** For those that have to be installed first. */
const START_TIMEOUT_MS = 300_000;

interface Options {
  readonly replica?: Kysely<OrdersDatabase>;
  readonly after?: string;
}

function setVersion(id: string, version: number) {
  return (db: Kysely<OrdersDatabase>) =>
    db.updateTable('orders').set({ version }).where('id', '=', id).execute();
}

/** A timeline is asked for as well, but not for each look. */
function isLook(query: string): boolean {
  return query.includes('pg_last_wal_replay_lsn') && !query.includes('pg_control_system');
}

function isWait(query: string): boolean {
  return query.startsWith('WAIT FOR LSN');
}

/** Whether the servers have `WAIT FOR LSN`. */
async function canWait({ replica }: ReplicatedDatabase<OrdersDatabase>): Promise<boolean> {
  const { rows } = await sql<{ version: string }>`
    select current_setting('server_version_num') as version`.execute(replica.db);
  return Number(rows[0]?.version) >= 190_000;
}
