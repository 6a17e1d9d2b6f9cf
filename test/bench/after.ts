import { type Kysely, sql } from 'kysely';
import { createReplicaFallback } from 'kysely-replica-fallback';
import { walCatchUp, type WalCatchUpOptions, walPosition } from 'kysely-replica-fallback/postgres';
import type { ReplicationCluster } from 'kysely-replica-fallback/testing';
import { compare } from './compare.ts';
import { connect } from './connect.ts';
import { startDistance } from './distance.ts';
import type { Extent } from './extent.ts';

interface Database {
  fresh: { id: number; note: string };
}

/** Some connections are three times as fast as others, for as long as they live. */
const CONNECTIONS = 16;

/** What `after` costs when the replica has replayed the position: beside the plain read, on loopback and 1 ms away. */
export async function benchAfter(cluster: ReplicationCluster, { isQuick }: Extent): Promise<void> {
  const [standby] = cluster.replicas;
  await using primary = connect<Database>(cluster.primary.connectionString);
  await sql`create table fresh (id int primary key, note text not null)`.execute(primary);
  await primary.insertInto('fresh').values({ id: 1, note: 'paid' }).execute();
  await standby.waitForReplay();
  const after = await walPosition(primary);
  await using distance = await startDistance(standby.connectionString, 1);

  const rows = [];
  for (const [server, connectionString] of [
    ['on loopback', standby.connectionString],
    ['1 ms away', distance.connectionString],
  ] as const) {
    await using clients = new AsyncDisposableStack();
    const connections = Array.from({ length: CONNECTIONS }, () => ({
      pipelined: clients.use(connect<Database>(connectionString, { max: 1, pipeline: true })),
      replica: clients.use(connect<Database>(connectionString, { max: 1 })),
    }));
    const onEach = (readOn: (of: (typeof connections)[number]) => () => Promise<unknown>) => {
      const reads = connections.map(readOn);
      return async () => {
        for (const read of reads) await read();
      };
    };
    const withCatchUp = (replica: Kysely<Database>, options: WalCatchUpOptions) => {
      const read = createReplicaFallback({ primary, replica, catchUp: walCatchUp(options), after });
      return () => read(find);
    };
    const pipeline = { pipeline: true };
    const timings = await compare(
      {
        plain: onEach(
          ({ pipelined }) =>
            () =>
              find(pipelined),
        ),
        "pin: 'connection', pipeline": onEach(({ pipelined }) =>
          withCatchUp(pipelined, { pin: 'connection', ...pipeline }),
        ),
        "pin: 'connection'": onEach(({ replica }) => withCatchUp(replica, { pin: 'connection' })),
        "pin: 'transaction', pipeline": onEach(({ pipelined }) => withCatchUp(pipelined, pipeline)),
        "pin: 'transaction'": onEach(({ replica }) => withCatchUp(replica, {})),
      },
      { calls: 1, rounds: isQuick ? 21 : 201 },
    );
    for (const [read, { median, spread }] of Object.entries(timings)) {
      rows.push({
        server,
        read,
        'µs/read': Math.round(median / 1000 / CONNECTIONS),
        '±': Math.round(spread / 1000 / CONNECTIONS),
        'of plain': (median / timings.plain.median).toFixed(2),
      });
    }
  }
  console.log(`\nA read with \`after\` that the replica has, over ${CONNECTIONS} connections\n`);
  console.table(rows);
}

const find = (db: Kysely<Database>) =>
  db.selectFrom('fresh').selectAll().where('id', '=', 1).executeTakeFirst();
