import type { Replica } from 'kysely-replica-fallback/testing';
import { Client } from 'pg';
import { pollUntil } from '../../src/testing/cluster/poll-until.ts';

const WAIT_MS = 30_000;

/** A server, with the name that it keeps whatever its role is. */
export interface Server extends Omit<Replica, 'waitForReplay'> {
  readonly name: string;
  /** Runs statements on one connection of its own, and gives the rows of the last. */
  run(...statements: readonly string[]): Promise<Record<string, unknown>[]>;
}

export function asServer(replica: Replica, index: number): Server {
  const { connectionString } = replica;
  return {
    ...replica,
    name: 'ABC'.charAt(index),
    run: (...statements) => run(connectionString, statements),
  };
}

export async function run(
  connectionString: string,
  statements: readonly string[],
): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString, query_timeout: WAIT_MS });
  client.on('error', () => {}); // its query rejects as well
  try {
    await client.connect();
    let rows: Record<string, unknown>[] = [];
    for (const statement of statements) ({ rows } = await client.query(statement));
    return rows;
  } finally {
    await client.end().catch(() => {});
  }
}

/** Makes a standby stream from another server. It need not be told where the timeline has forked off: it finds out. */
export async function follow(standby: Server, primary: Server): Promise<void> {
  // Its own word on where it is: containers reach each other on other ports than this process does.
  const [row] = await primary.run(
    `select format('host=%s port=%s user=postgres', host(inet_server_addr()), inet_server_port())`,
  );
  await standby.run(
    `alter system set primary_conninfo = '${String(row?.['format'])}'`,
    'select pg_reload_conf()',
  );
}

const RECEIVED = 'greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())';

export async function received(standby: Server): Promise<string> {
  const [row] = await standby.run(`select ${RECEIVED}::text as lsn`);
  return String(row?.['lsn']);
}

export async function hasReplayedAll(standby: Server): Promise<void> {
  return hasReplayed(standby, await received(standby));
}

export async function hasReplayed(standby: Server, lsn: string): Promise<void> {
  const query = `select pg_last_wal_replay_lsn() >= '${lsn}'::pg_lsn as "isThere"`;
  await until(
    `${standby.name} has replayed ${lsn}`,
    async () => (await standby.run(query))[0]?.['isThere'] === true,
  );
}

export function until(state: string, isReached: () => Promise<boolean>): Promise<void> {
  return pollUntil(isReached, WAIT_MS, () => `It took more than ${WAIT_MS} ms until ${state}.`);
}
