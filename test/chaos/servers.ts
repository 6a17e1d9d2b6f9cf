import { type Replica, startReplicationCluster } from 'kysely-replica-fallback/testing';
import { Client } from 'pg';
import { pollUntil } from '../../src/testing/cluster/poll-until.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

const WAIT_MS = 30_000;

/** A server, with the name that it keeps whatever its role is. */
export interface Server extends Omit<Replica, 'waitForReplay'> {
  readonly name: string;
  /** Runs statements on one connection of its own, and gives the rows of the last. */
  run(...statements: readonly string[]): Promise<Record<string, unknown>[]>;
}

/** A primary and two standbys, each of which may become the primary, and the addresses that clients know. */
export class Servers {
  primary: Server;
  /** In the order in which clients are led to them. */
  standbys: readonly [Server, Server];
  /** Leads to the primary. */
  readonly toPrimary: TcpProxy;
  /** Leads each new connection to the next standby. */
  readonly toStandbys: TcpProxy;
  readonly description: string;
  readonly #stopServers: () => Promise<void>;
  #ledToStandbyUntil = -Infinity;

  constructor(
    [primary, ...standbys]: readonly [Server, Server, Server],
    toPrimary: TcpProxy,
    toStandbys: TcpProxy,
    description: string,
    stopServers: () => Promise<void>,
  ) {
    this.primary = primary;
    this.standbys = standbys;
    this.toPrimary = toPrimary;
    this.toStandbys = toStandbys;
    this.description = description;
    this.#stopServers = stopServers;
  }

  get all(): readonly Server[] {
    return [this.primary, ...this.standbys];
  }

  /**
   * Makes a standby the primary, moves the clients over, and makes the old primary a standby. Loses nothing: clients are
   * shut out, the old primary stops only when both standbys have all that it has, and the one that has most is promoted.
   */
  async failOver(): Promise<void> {
    const old = this.primary;
    this.toPrimary.refuse();
    const ofClients = `select from pg_stat_activity where application_name = 'snapshots-service'`;
    await until('the clients are gone', async () => (await old.run(ofClients)).length === 0);
    const [written] = await old.run('select pg_current_wal_insert_lsn()::text as lsn');
    await Promise.all(
      this.standbys.map((standby) => hasReplayed(standby, String(written?.['lsn']))),
    );

    // It comes back as a standby.
    await old.run(`copy (select) to program 'cat >standby.signal'`);
    await old.stop();
    const [heir, follower] = await this.#byReceived();
    await hasReplayedAll(heir);
    await heir.run('select pg_promote()');
    this.primary = heir;
    this.toPrimary.redirect(heir.connectionString);
    await this.toPrimary.pass();

    await follow(follower, heir);
    await old.start();
    await follow(old, heir);
    this.standbys = [follower, old];
    this.toStandbys.redirect(...this.standbys.map(({ connectionString }) => connectionString));
    // Who is still connected to what has become the primary.
    this.toStandbys.refuse();
    await this.toStandbys.pass();
    await this.haveCaughtUp();
  }

  /** Leads clients to a standby in place of the primary. It is paused, so that what it has is old. */
  async leadToStandby(place: 0 | 1, cutsOff: boolean): Promise<void> {
    const standby = this.standbys[place];
    await standby.pauseReplay();
    this.#ledToStandbyUntil = Infinity;
    this.toPrimary.redirect(standby.connectionString);
    if (cutsOff) this.toPrimary.refuse();
    await this.toPrimary.pass();
  }

  /** Leads clients back to the primary, those that are connected to the standby, too. */
  async leadToPrimary(place: 0 | 1): Promise<void> {
    this.toPrimary.redirect(this.primary.connectionString);
    this.toPrimary.refuse();
    await this.toPrimary.pass();
    this.#ledToStandbyUntil = performance.now();
    await this.standbys[place].resumeReplay();
  }

  /** Whether clients of the primary may have been led to a standby since a moment of `performance.now()`. */
  readonly ledToStandbySince = (moment: number): boolean => this.#ledToStandbyUntil >= moment;

  /** Resolves when both standbys stream from the primary, and have all that it has now. */
  async haveCaughtUp(): Promise<void> {
    const streaming = `select from pg_stat_replication where state = 'streaming'`;
    await until('both stream', async () => (await this.primary.run(streaming)).length === 2);
    // A commit, so that its record ends where replay can arrive.
    const [written] = await this.primary.run(
      `select pg_logical_emit_message(true, 'chaos', '')`,
      'select pg_current_wal_flush_lsn()::text as lsn',
    );
    const lsn = String(written?.['lsn']);
    await Promise.all(this.standbys.map((standby) => hasReplayed(standby, lsn)));
  }

  async stop(): Promise<void> {
    await Promise.all([this.toPrimary.close(), this.toStandbys.close()]);
    await this.#stopServers();
  }

  /** The standby that has received most is first. */
  async #byReceived(): Promise<[Server, Server]> {
    const [one, other] = this.standbys;
    const [ofOne, ofOther] = await Promise.all([received(one), received(other)]);
    const [{ isAhead } = { isAhead: undefined }] = await one.run(
      `select '${ofOther}'::pg_lsn > '${ofOne}'::pg_lsn as "isAhead"`,
    );
    return isAhead === true ? [other, one] : [one, other];
  }
}

/** @param onSent - hears what is sent to the primary's address */
export async function startServers(onSent: (sent: Buffer) => void): Promise<Servers> {
  // Only standbys can be stopped and started, so one of three becomes the primary.
  const cluster = await startReplicationCluster({ replicas: 3 });
  try {
    const [first, second, third] = cluster.replicas.map(asServer);
    if (first === undefined || second === undefined || third === undefined) {
      throw new Error('The cluster has fewer than three standbys.');
    }
    const servers = [first, second, third] as const;
    await endOriginalPrimary(cluster.primary.connectionString);
    await Promise.all(servers.map(hasReplayedAll));
    await first.run('select pg_promote()');
    await Promise.all([second, third].map((standby) => follow(standby, first)));
    const toPrimary = await startTcpProxy(first.connectionString, onSent);
    const toStandbys = await startTcpProxy(second.connectionString);
    toStandbys.redirect(second.connectionString, third.connectionString);
    const { description } = cluster;
    const started = new Servers(servers, toPrimary, toStandbys, description, () => cluster.stop());
    await started.haveCaughtUp();
    return started;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

function asServer(replica: Replica, index: number): Server {
  const { connectionString } = replica;
  return {
    ...replica,
    name: 'ABC'.charAt(index),
    run: (...statements) => run(connectionString, statements),
  };
}

async function run(
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
async function follow(standby: Server, primary: Server): Promise<void> {
  // Its own word on where it is: containers reach each other on other ports than this process does.
  const [row] = await primary.run(
    `select format('host=%s port=%s user=postgres', host(inet_server_addr()), inet_server_port())`,
  );
  await standby.run(
    `alter system set primary_conninfo = '${String(row?.['format'])}'`,
    'select pg_reload_conf()',
  );
}

/** A fast shutdown, after which nothing is lost. It is not a standby, so nothing else can stop it. */
async function endOriginalPrimary(connectionString: string): Promise<void> {
  await run(connectionString, [
    `copy (select) to program 'kill -INT $(head -n 1 postmaster.pid)'`,
  ]).catch(() => {}); // perhaps it ends before it answers
  const isGone = () =>
    run(connectionString, ['select']).then(
      () => false,
      (error: unknown) => Object(error).code === 'ECONNREFUSED',
    );
  await until('the first primary is gone', isGone);
}

const RECEIVED = 'greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())';

async function received(standby: Server): Promise<string> {
  const [row] = await standby.run(`select ${RECEIVED}::text as lsn`);
  return String(row?.['lsn']);
}

async function hasReplayedAll(standby: Server): Promise<void> {
  return hasReplayed(standby, await received(standby));
}

async function hasReplayed(standby: Server, lsn: string): Promise<void> {
  const query = `select pg_last_wal_replay_lsn() >= '${lsn}'::pg_lsn as "isThere"`;
  await until(
    `${standby.name} has replayed ${lsn}`,
    async () => (await standby.run(query))[0]?.['isThere'] === true,
  );
}

export function until(state: string, isReached: () => Promise<boolean>): Promise<void> {
  return pollUntil(isReached, WAIT_MS, () => `It took more than ${WAIT_MS} ms until ${state}.`);
}
