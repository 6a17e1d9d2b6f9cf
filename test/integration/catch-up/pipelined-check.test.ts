import { type Kysely, sql } from 'kysely';
import { type CatchUp, ReplicaBehindError } from 'kysely-replica-fallback';
import { walCatchUp, walPosition } from 'kysely-replica-fallback/postgres';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import { expect, onTestFinished, test } from 'vitest';
import { connect } from '../../support/connect.ts';
import { addOrder, createOrders, type OrdersDatabase } from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';
import { lsnOf } from '../../../src/postgres/wal-position.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders, startReplicationCluster);
const [standby] = database.cluster.replicas;

/** On the standby: catches up with a position, and resolves then. */
function catchUpTo(position: string, db: Kysely<OrdersDatabase>): Promise<unknown> {
  return sql
    .raw(
      `do $$ begin
        perform pg_wal_replay_resume();
        while pg_last_wal_replay_lsn() < '${lsnOf(position)}' loop perform pg_sleep(0.01); end loop;
      end $$`,
    )
    .execute(db);
}

test('takes no answer that is older than a check which is sent with the query and ends after it', async () => {
  const replica = connect<OrdersDatabase>(standby.connectionString, { pipeline: true });
  onTestFinished(() => replica.end());
  await standby.restart(); // so that its timeline is asked for as well, by a second statement
  await standby.pauseReplay();
  await addOrder('late')(database.primary.db);
  const position = await walPosition(database.primary.db);

  const catchUp: CatchUp<Kysely<OrdersDatabase>> = walCatchUp({
    pin: 'connection',
    pipeline: true,
  });
  const answer = catchUp.runAt(replica.db, position, (pinned) => catchUpTo(position, pinned));

  await expect(answer).rejects.toBeInstanceOf(ReplicaBehindError);
});
