import { type Kysely, sql } from 'kysely';
import { withReplicaFallback } from 'kysely-replica-fallback';
import type { ReplicationCluster } from 'kysely-replica-fallback/testing';
import { compare } from './compare.ts';
import { connect } from './connect.ts';
import type { Extent } from './extent.ts';

interface Database {
  orders: { id: number; note: string };
}

/** What a hit costs on a real read: one row by its key, from a real standby on loopback. */
export async function benchLoopback(
  cluster: ReplicationCluster,
  { isQuick }: Extent,
): Promise<void> {
  const [standby] = cluster.replicas;
  await using primary = connect<Database>(cluster.primary.connectionString);
  await using replica = connect<Database>(standby.connectionString);
  await sql`create table orders (id int primary key, note text not null)`.execute(primary);
  await primary.insertInto('orders').values({ id: 1, note: 'paid' }).execute();
  await standby.waitForReplay();

  const query = (db: Kysely<Database>) =>
    db.selectFrom('orders').selectAll().where('id', '=', 1).executeTakeFirst();
  const timings = await compare(
    {
      bare: () => query(replica),
      'bare, again': () => query(replica),
      wrapped: () => withReplicaFallback(query, { primary, replica, operation: 'bench' }),
    },
    { calls: 200, rounds: isQuick ? 21 : 101 },
  );

  console.log('\nThe same on a real read from a standby on loopback\n');
  console.table(
    Object.entries(timings).map(([read, { median, spread }]) => ({
      read,
      'µs/call': Math.round(median / 100) / 10,
      '±': Math.round(spread / 100) / 10,
      'of bare': (median / timings.bare.median).toFixed(3),
    })),
  );
}
