import { sql } from 'kysely';
import { createReplicaFallback } from 'kysely-replica-fallback';
import { walCatchUp } from 'kysely-replica-fallback/postgres';
import type { ReplicationCluster } from 'kysely-replica-fallback/testing';
import { connect } from './connect.ts';
import type { Extent } from './extent.ts';

interface Database {
  arrivals: { id: number };
}

/**
 * How soon after the standby has a row a read of it ends, when the read began just after the commit. The standby has it
 * when the apply delay is over, which begins with the commit.
 */
export async function benchRecovery(
  cluster: ReplicationCluster,
  { isQuick }: Extent,
): Promise<void> {
  const [standby] = cluster.replicas;
  let asked = 0;
  await using primary = connect<Database>(cluster.primary.connectionString);
  await using replica = connect<Database>(standby.connectionString, {}, () => asked++);
  await sql`create table arrivals (id int primary key)`.execute(primary);
  await standby.waitForReplay();

  const candidates = {
    'without `catchUp`': createReplicaFallback({ primary, replica }),
    'with `catchUp`': createReplicaFallback({ primary, replica, catchUp: walCatchUp() }),
  };
  const rows = [];
  let id = 0;
  for (const lagMs of [5, 20, 80]) {
    await standby.setApplyDelay(lagMs);
    for (const [what, read] of Object.entries(candidates)) {
      const overdue: number[] = [];
      let primaryReads = 0;
      asked = 0;
      while (overdue.length < (isQuick ? 20 : 200)) {
        await primary.insertInto('arrivals').values({ id: ++id }).execute();
        const committedAt = performance.now();
        await read((db, { source }) => {
          if (source === 'primary') primaryReads++;
          return db.selectFrom('arrivals').select('id').where('id', '=', id).executeTakeFirst();
        });
        overdue.push(performance.now() - committedAt - lagMs);
      }
      overdue.sort((a, b) => a - b);
      rows.push({
        'lag in ms': lagMs,
        read: what,
        'ms after the row (mean)': mean(overdue).toFixed(1),
        p50: at(overdue, 0.5),
        p95: at(overdue, 0.95),
        'queries on the standby': (asked / overdue.length).toFixed(1),
        'rows read on the primary': primaryReads,
      });
    }
  }
  await standby.setApplyDelay(0);

  console.log('\nA read of a row that was committed just before\n');
  console.table(rows);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function at(sorted: readonly number[], share: number): string | undefined {
  return sorted[Math.floor(sorted.length * share)]?.toFixed(1);
}
