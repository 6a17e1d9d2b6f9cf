import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type Kysely, sql } from 'kysely';
import { createReplicaFallback } from 'kysely-replica-fallback';
import { walCatchUp } from 'kysely-replica-fallback/postgres';
import type { ReplicationCluster } from 'kysely-replica-fallback/testing';
import { readHeapBytes } from '../support/heap.ts';
import { connect } from './connect.ts';
import type { Extent } from './extent.ts';

interface Database {
  crowds: { id: number };
}

/** Long enough for 10,000 reads to get one of ten connections. */
const WINDOW_MS = 30_000;

/** One read, and up to ten thousand at once, that all miss and wait for the standby. */
export async function benchScale(cluster: ReplicationCluster, { isQuick }: Extent): Promise<void> {
  const [standby] = cluster.replicas;
  let positionQueries = 0;
  let looks = 0;
  const { connectionString } = cluster.primary;
  await using writer = connect<Database>(connectionString);
  await using primary = connect<Database>(connectionString, {}, () => positionQueries++);
  await using replica = connect<Database>(standby.connectionString, {}, (query) => {
    if (query.includes('pg_last_wal_replay_lsn')) looks++;
  });
  await sql`create table crowds (id int primary key)`.execute(writer);
  await standby.waitForReplay();
  const catchUp = walCatchUp({ pin: 'connection' });
  const read = createReplicaFallback({ primary, replica, catchUp, retryMs: { max: WINDOW_MS } });

  let id = 0;
  /** The standby goes on as soon as all have missed. */
  const readAtOnce = async (reads: number) => {
    await standby.pauseReplay();
    await writer.insertInto('crowds').values({ id: ++id }).execute();
    positionQueries = 0;
    looks = 0;
    let misses = 0;
    let resumedAt = 0;
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const found = await Promise.all(
      Array.from({ length: reads }, () =>
        read(async (db, { source }) => {
          const row = await find(db, id);
          if (source === 'replica' && ++misses === reads) {
            resumedAt = performance.now();
            await standby.resumeReplay();
          }
          return row;
        }),
      ),
    );
    const tookMs = performance.now() - resumedAt;
    delay.disable();
    if (found.includes(undefined)) throw new Error('A row that is on the primary was not found.');
    // Each read checks once, right before it is answered.
    return { tookMs, blockMs: delay.max / 1e6, positionQueries, watchQueries: looks - reads };
  };

  await readAtOnce(1);
  const rows = [];
  for (const reads of isQuick ? [1, 100, 10_000] : [1, 10, 100, 1_000, 10_000]) {
    const { tookMs, blockMs, ...queries } = await readAtOnce(reads);
    const heapMb = (await readHeapBytes()) / 1024 ** 2;
    rows.push({
      reads,
      'ms after the standby went on': Math.round(tookMs),
      'position queries': queries.positionQueries,
      'watch queries': queries.watchQueries,
      'longest block of the event loop, ms': Math.round(blockMs),
      'heap afterwards, MB': heapMb.toFixed(1),
    });
  }
  console.log('\nReads at once that all miss\n');
  console.table(rows);

  const before = await readHeapBytes();
  const rounds = isQuick ? 10 : 300;
  for (let round = 0; round < rounds; round++) await readAtOnce(100);
  const grown = ((await readHeapBytes()) - before) / 1024;
  console.log(
    `\n${rounds * 100} more of them, 100 at once, left the heap ${Math.round(grown)} kB larger.`,
  );
}

function find(db: Kysely<Database>, id: number) {
  return db.selectFrom('crowds').select('id').where('id', '=', id).executeTakeFirst();
}
