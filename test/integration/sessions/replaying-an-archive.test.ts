import { type Kysely, sql } from 'kysely';
import { createReplicaFallback } from 'kysely-replica-fallback';
import { createCausalSession, walCatchUp } from 'kysely-replica-fallback/postgres';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import { afterAll, expect, test } from 'vitest';
import { connect } from '../../support/connect.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { walSource } from '../../support/wal-source.ts';

/** A standby that gets its log from an archive receives nothing, and so does not tell whether it has more to replay. */

const cluster = await startReplicationCluster({ replicas: 1 });
const primary = connect<OrdersDatabase>(cluster.primary.connectionString);
const [standby] = cluster.replicas;
const replica = connect<OrdersDatabase>(standby.connectionString);
afterAll(async () => {
  await Promise.all([primary.end(), replica.end()]);
  await cluster.stop();
});
await createOrders(primary.db);
await addOrder('1', 1)(primary.db);
await standby.waitForReplay();

const find = (db: Kysely<OrdersDatabase>) => findOrder(db, '1').executeTakeFirst();

/** The archive is the primary's own folder, so that nobody has to wait until a file of the log is full. */
async function replayArchive(): Promise<void> {
  const { rows } = await sql<{ folder: string }>`
    select current_setting('data_directory') as folder`.execute(primary.db);
  const copy = `cp "${rows[0]?.folder}/pg_wal/%f" "%p"`;
  for (const [name, value] of [
    ['restore_command', copy],
    ['primary_conninfo', ''],
    ['wal_retrieve_retry_interval', '10ms'],
  ] as const) {
    await sql`alter system set ${sql.raw(name)} = ${sql.lit(value)}`.execute(replica.db);
  }
  await standby.restart();
}

test('a session reads on a standby that replays an archive, and never goes back behind it', async () => {
  await replayArchive();
  await primary.db.updateTable('orders').set({ version: 2 }).execute();
  await expect.poll(() => find(replica.db)).toMatchObject({ version: 2 });

  // It may show more than this, so only the server itself has it.
  expect(await walSource().replayed(replica.db)).toMatch(/~[\da-f]{8}$/);
  const read = createReplicaFallback({
    primary: primary.db,
    replica: replica.db,
    catchUp: walCatchUp(),
  });
  const session = createCausalSession(read);
  for (let each = 0; each < 3; each++) {
    expect(await session.read(find)).toMatchObject({ version: 2, servedBy: 'replica' });
  }
});
