import { type ReplicationCluster, startReplicationCluster } from 'kysely-replica-fallback/testing';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { filesOf } from './files.ts';
import {
  asServer,
  follow,
  hasReplayed,
  hasReplayedAll,
  received,
  run,
  type Server,
  until,
} from './server.ts';

/** A primary and two standbys, each of which may become the primary, and the addresses that clients know. */
export class Servers {
  primary: Server;
  /** In the order in which clients are led to them. */
  standbys: readonly [Server, Server];
  /** Leads to the primary. */
  readonly toPrimary: TcpProxy;
  /** Leads each new connection to the next standby. */
  readonly toStandbys: TcpProxy;
  readonly cluster: ReplicationCluster;
  #ledToStandbyUntil = -Infinity;

  constructor(
    [primary, ...standbys]: readonly [Server, Server, Server],
    toPrimary: TcpProxy,
    toStandbys: TcpProxy,
    cluster: ReplicationCluster,
  ) {
    this.primary = primary;
    this.standbys = standbys;
    this.toPrimary = toPrimary;
    this.toStandbys = toStandbys;
    this.cluster = cluster;
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
    await this.#shutClientsOut();
    // It comes back as a standby.
    await old.run(`copy (select) to program 'cat >standby.signal'`);
    await old.stop();
    const follower = await this.#promote();
    await follow(follower, this.primary);
    await old.start();
    await follow(old, this.primary);
    this.standbys = [follower, old];
    await this.#leadTo(...this.standbys);
    await this.haveCaughtUp();
  }

  /**
   * The same, but the old primary, the stray, comes back as a primary that nobody writes to, and clients are led to the
   * standby that still follows it, in place of all standbys.
   *
   * @returns the stray, and what makes both of them standbys of the new primary
   */
  async failOverFromStray(): Promise<{ stray: Server; rejoin: () => Promise<void> }> {
    const stray = this.primary;
    await this.#shutClientsOut();
    const filesOfStray = await filesOf(stray);
    await stray.stop();
    const follower = await this.#promote();
    const filesOfFollower = await filesOf(follower);
    await follower.stop();
    // No server goes on from where another timeline has forked off before.
    await Promise.all([filesOfStray.keep(), filesOfFollower.keep()]);
    await Promise.all([stray.start(), follower.start()]);
    this.standbys = [follower, stray];
    await this.#leadTo(follower);
    const rejoin = async (): Promise<void> => {
      await Promise.all([stray.stop(), follower.stop()]);
      await Promise.all([filesOfStray.restore(), filesOfFollower.restore()]);
      await filesOfStray.makeStandby();
      for (const standby of [follower, stray]) {
        await standby.start();
        await follow(standby, this.primary);
      }
      await this.#leadTo(...this.standbys);
      await this.haveCaughtUp();
    };
    return { stray, rejoin };
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
    await this.cluster.stop();
  }

  /** Resolves when no client is connected to the primary, and both standbys have all that it has. */
  async #shutClientsOut(): Promise<void> {
    this.toPrimary.refuse();
    const ofClients = `select from pg_stat_activity where application_name = 'snapshots-service'`;
    await until(
      'the clients are gone',
      async () => (await this.primary.run(ofClients)).length === 0,
    );
    const [written] = await this.primary.run('select pg_current_wal_insert_lsn()::text as lsn');
    await Promise.all(
      this.standbys.map((standby) => hasReplayed(standby, String(written?.['lsn']))),
    );
  }

  /** Makes the standby that has received most the primary, when the old one has stopped, and gives the other standby. */
  async #promote(): Promise<Server> {
    const [heir, other] = await this.#byReceived();
    await hasReplayedAll(heir);
    await heir.run('select pg_promote()');
    this.primary = heir;
    this.toPrimary.redirect(heir.connectionString);
    await this.toPrimary.pass();
    return other;
  }

  /** Those that are still connected to another server are cut off. */
  async #leadTo(...standbys: readonly Server[]): Promise<void> {
    this.toStandbys.redirect(...standbys.map(({ connectionString }) => connectionString));
    this.toStandbys.refuse();
    await this.toStandbys.pass();
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
    const started = new Servers(servers, toPrimary, toStandbys, cluster);
    await started.haveCaughtUp();
    return started;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
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
