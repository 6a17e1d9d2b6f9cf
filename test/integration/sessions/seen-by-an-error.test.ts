import { type Kysely, sql } from 'kysely';
import { createReplicaFallback, thrown } from 'kysely-replica-fallback';
import { createCausalSession, walCatchUp } from 'kysely-replica-fallback/postgres';
import { expect, onTestFinished, test } from 'vitest';
import { connect } from '../../support/connect.ts';
import { addOrder, createOrders, type OrdersDatabase } from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);
const { primary } = database;
await database.write(addOrder('1', 1), (db) =>
  sql`
    create function strict_version(wanted text) returns integer language plpgsql as $$
    declare found_version integer;
    begin
      select version into strict found_version from orders where id = wanted;
      return found_version;
    end $$`.execute(db),
);

/** PostgreSQL's `no_data_found`, after which nothing can be asked in the same transaction. */
function isNoData(error: unknown): error is { code: string } {
  return error instanceof Error && 'code' in error && error.code === 'P0002';
}

const find = async (db: Kysely<OrdersDatabase>) => {
  const { rows } = await sql<{ version: number }>`select strict_version('1') as version`.execute(
    db,
  );
  return rows;
};

test('a session does not forget what it was told by an error of a query', async () => {
  const [newer, older = newer] = database.cluster.replicas;
  await older.waitForReplay();
  await older.pauseReplay();
  onTestFinished(() => older.resumeReplay());
  await primary.db.deleteFrom('orders').execute();
  await newer.waitForReplay();
  const replicas = [newer, older].map(({ connectionString }) => {
    const replica = connect<OrdersDatabase>(connectionString);
    onTestFinished(() => replica.end());
    return replica.db;
  });
  let next = 0;
  const read = createReplicaFallback({
    primary: primary.db,
    replica: replicas,
    pickReplica: () => replicas[next],
    isMiss: thrown(isNoData),
    catchUp: walCatchUp(),
  });
  const session = createCausalSession(read);

  await expect(session.read(find)).rejects.toMatchObject({ code: 'P0002' });
  next = 1;
  await expect(session.read(find)).rejects.toMatchObject({ code: 'P0002' });
});
