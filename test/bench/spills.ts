import { type Kysely, sql } from 'kysely';
import {
  createPrimaryBudget,
  createReplicaFallback,
  type Outcome,
  type PrimaryBudget,
} from 'kysely-replica-fallback';
import type { ReplicationCluster } from 'kysely-replica-fallback/testing';
import { readHeapBytes } from '../support/heap.ts';
import { connect } from './connect.ts';
import type { Extent } from './extent.ts';

interface Database {
  parcels: { id: number };
}

const READS = 10_000;
const KEYS = READS / 100;
/** Longer than the slowest machine takes: only a read that hangs meets it. */
const DEADLINE_MS = 120_000;

/**
 * What all reads at once cost the primary when a standby has none of the rows: as they are, within a budget, and when
 * those of one key share their query.
 *
 * @throws Error when a bound that the package promises is exceeded
 */
export async function benchSpills(cluster: ReplicationCluster, { isQuick }: Extent): Promise<void> {
  const [standby] = cluster.replicas;
  await using primary = connect<Database>(cluster.primary.connectionString);
  await using replica = connect<Database>(standby.connectionString);
  const rounds = isQuick ? 1 : 3;
  await sql`create table parcels (id int primary key)`.execute(primary);
  await standby.waitForReplay();
  await standby.pauseReplay();
  await sql`insert into parcels select generate_series(0, ${KEYS - 1})`.execute(primary);
  // Or autovacuum does it, at any moment, and with its statistics the plan is another one.
  await sql`analyze parcels`.execute(primary);

  const candidates = [
    { what: 'no bound' },
    { what: 'a budget of 20 % and 10/s', budget: createPrimaryBudget() },
    { what: 'one `coalesceKey` per 100 reads', coalesce: true },
    { what: 'the same, on a primary that takes 100 ms', coalesce: true, primarySeconds: 0.1 },
  ];
  const rows = [];
  for (const { what, ...bounds } of candidates) {
    const storms: Storm[] = [];
    while (storms.length < rounds) storms.push(await storm(primary, replica, bounds));
    rows.push({ reads: what, ...summarize(storms) });
  }
  await standby.resumeReplay();

  console.log(`\n${READS} reads at once that all miss on the standby: means of ${rounds} times\n`);
  console.table(rows);
}

interface Bounds {
  readonly budget?: PrimaryBudget;
  readonly coalesce?: boolean;
  readonly primarySeconds?: number;
}

interface Storm {
  readonly outcomes: Partial<Record<Outcome, number>>;
  readonly queries: number;
  readonly seconds: number;
  readonly heapMb: number;
}

async function storm(
  primary: Kysely<Database>,
  replica: Kysely<Database>,
  { budget, coalesce = false, primarySeconds = 0 }: Bounds,
): Promise<Storm> {
  const outcomes: Storm['outcomes'] = {};
  const running = new Map<number, number>();
  let queries = 0;
  const read = createReplicaFallback({
    primary,
    replica,
    operation: 'parcel_by_id',
    primaryBudget: budget,
    onOutcome({ outcome }) {
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    },
  });
  const start = performance.now();
  await Promise.allSettled(
    Array.from({ length: READS }, (_, n) => {
      const id = n % KEYS;
      return read(
        async (db, { source, signal }) => {
          const find = db.selectFrom('parcels').selectAll().where('id', '=', id);
          if (source !== 'primary') return find.executeTakeFirst({ signal });
          queries++;
          running.set(id, (running.get(id) ?? 0) + 1);
          if (coalesce && running.get(id) !== 1) throw new Error('Two queries ran for one key.');
          const row = await find
            // A subquery of its own runs once, whatever the plan; the bare call may run for every row.
            .where(sql<boolean>`(select pg_sleep(${primarySeconds})) is not null`)
            .executeTakeFirst({ signal });
          running.set(id, (running.get(id) ?? 0) - 1);
          return row;
        },
        {
          signal: AbortSignal.timeout(DEADLINE_MS),
          ...(coalesce && { coalesceKey: String(id) }),
        },
      );
    }),
  );
  const seconds = (performance.now() - start) / 1000;

  if (outcomes.error !== undefined) throw new Error(`${outcomes.error} reads ended in an error.`);
  const bound = 0.2 * READS + 10 * (seconds + 1);
  if (budget !== undefined && queries > bound) {
    throw new Error(`${queries} queries on the primary, and the budget is ${bound}.`);
  }
  return { outcomes, queries, seconds, heapMb: (await readHeapBytes()) / 1024 ** 2 };
}

function summarize(storms: readonly Storm[]): object {
  const total = (of: (each: Storm) => number) => storms.reduce((sum, each) => sum + of(each), 0);
  return {
    'primary queries': Math.round(total(({ queries }) => queries) / storms.length),
    served: Math.round(total(({ outcomes }) => outcomes.primary ?? 0) / storms.length),
    rejected: Math.round(total(({ outcomes }) => outcomes.rejected ?? 0) / storms.length),
    'longest, s': Math.max(...storms.map(({ seconds }) => seconds)).toFixed(1),
    'heap after the first, MB': storms[0]?.heapMb.toFixed(1),
    'after the last': storms.at(-1)?.heapMb.toFixed(1),
  };
}
