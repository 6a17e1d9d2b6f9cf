import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { ReplicationCluster } from 'kysely-replica-fallback/testing';
import { connect } from './connect.ts';
import type { Extent } from './extent.ts';
import { drawPolicies, type ProfileSummary } from './policies/chart.ts';
import { play } from './policies/play.ts';
import type { Database } from './policies/policies.ts';
import { listProfiles } from './policies/profiles.ts';
import { CLAIRVOYANT, type Summary, summarize } from './policies/summary.ts';
import { OLD, seeded } from './policies/traffic.ts';
import { stamp } from './stamp.ts';

const CHART = fileURLToPath(new URL('../artifacts/policies.svg', import.meta.url));
const SEED = 7;

/** The ways to read from a replica, side by side, on the same traffic and the same lag. Writes a chart of them. */
export async function benchPolicies(
  cluster: ReplicationCluster,
  { isQuick }: Extent,
): Promise<void> {
  const [standby] = cluster.replicas;
  const urls = {
    primary: cluster.primary.connectionString,
    replica: standby.connectionString,
  };
  await createOrders(urls.primary);
  await standby.waitForReplay();

  const seconds = isQuick ? 3 : 30;
  const profiles: ProfileSummary[] = [];
  for (const profile of listProfiles(seeded(SEED))) {
    const summaries = summarize(await play(profile, standby, urls, seconds), seconds);
    profiles.push({ profile: profile.name, summaries });
    console.log(`\nPolicies under lag: ${profile.name}\n`);
    console.table(summaries.map((summary) => rowOf(summary, summaries)));
  }
  await mkdir(fileURLToPath(new URL('../artifacts/', import.meta.url)), { recursive: true });
  await writeFile(CHART, drawPolicies(profiles, stamp(cluster)));
  console.log('\nA chart of them is in test/artifacts/policies.svg');
}

async function createOrders(url: string): Promise<void> {
  await using db = connect<Database>(url);
  await db.schema
    .createTable('bench_orders')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('version', 'integer', (column) => column.notNull())
    .execute();
  const orders = Array.from({ length: OLD }, (_, key) => ({ id: `old-${key}`, version: 1 }));
  await db.insertInto('bench_orders').values(orders).execute();
}

function rowOf(summary: Summary, all: readonly Summary[]) {
  const { policy, lost, stale, onReplica, late } = summary;
  const limit = all.find((each) => each.policy === CLAIRVOYANT)?.late.mean ?? Number.NaN;
  return {
    policy,
    'false not-founds': percent(lost),
    stale: percent(stale),
    'on the replica': percent(onReplica),
    'rows on the primary /s': summary.primaryRowsPerSecond.toFixed(1),
    'others /s': summary.primaryOthersPerSecond.toFixed(1),
    'replica queries per read': summary.replicaQueriesPerRead.toFixed(2),
    'all: mean, p50, p99, p99.9': times(summary.all),
    'late: mean, p50, p99, p99.9': times(late),
    'of clairvoyant': (late.mean / limit).toFixed(2),
  };
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function times({ mean, p50, p99, p999 }: Summary['all']): string {
  return [mean, p50, p99, p999].map((ms) => ms.toFixed(1)).join(', ');
}
