import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startReaper } from '../../../src/testing/cluster/embedded/reaper.ts';
import {
  type CommandContext,
  runCommand,
} from '../../../src/testing/cluster/embedded/run-command.ts';
import { findServerUser } from '../../../src/testing/cluster/embedded/server-user.ts';
import { BRANDS, type Brand } from './brands.ts';
import { type DatabaseServer, startDatabaseServer } from './database-server.ts';

/** A server that applies what the primary has written, and the ways to make it late. */
export interface GtidReplica extends DatabaseServer {
  /** Lets it apply nothing more. It still receives, and answers. */
  holdBack(): Promise<void>;
  /** Undoes `holdBack()`. */
  goOn(): Promise<void>;
  /** Lets it apply each transaction that many seconds after the primary, until it is 0. */
  setDelay(seconds: number): Promise<void>;
  /** Resolves when it has applied all that is written by now. */
  catchUp(): Promise<void>;
  /** Makes it the replica of another primary. */
  follow(primary: DatabaseServer): Promise<void>;
  /** Makes it a primary. */
  promote(): Promise<void>;
}

/** A primary and its replicas, with global transaction identifiers. Disposing of them ends and removes them. */
export interface GtidCluster extends AsyncDisposable {
  /** Where it keeps all its files. */
  readonly directory: string;
  readonly primary: DatabaseServer;
  readonly replicas: readonly [GtidReplica, ...GtidReplica[]];
}

/** Options of a cluster. */
export interface GtidClusterOptions {
  /** Default is 1. */
  readonly replicas?: number;
  /** More settings of all servers, as in `--log-slave-updates=0`. */
  readonly settings?: readonly string[];
}

/** Starts servers in a temporary directory. */
export async function startGtidCluster(
  name: Brand['brand'],
  { replicas = 1, settings = [] }: GtidClusterOptions = {},
): Promise<GtidCluster> {
  const brand = BRANDS.find((one) => one.brand === name);
  if (brand?.program === undefined) throw new Error(brand?.obstacle);
  const { program } = brand;
  const directory = await mkdtemp(join(tmpdir(), 'kysely-replica-fallback-'));
  const reaper = await startReaper(directory);
  const servers: DatabaseServer[] = [];
  const dispose = async () => {
    await Promise.all(servers.map((server) => server.kill()));
    await reaper.reap();
  };
  try {
    const context = await createContext(directory);
    const template = join(directory, 'server-1');
    const [initialize = '', ...args] = brand.initialize;
    await runCommand(initialize, [...args, `--datadir=${template}`], context);
    await writeFile(join(directory, 'first.sql'), FIRST_STATEMENTS);

    const startServer = async (id: number) => {
      const dataDirectory = join(directory, `server-${id}`);
      const temporary = `${dataDirectory}.tmp`;
      await runCommand('mkdir', [temporary], context);
      const own = [
        `--server-id=${id}`,
        `--socket=${dataDirectory}.sock`,
        `--tmpdir=${temporary}`,
        `--init-file=${join(directory, 'first.sql')}`,
      ];
      const all = [...SETTINGS, ...brand.settings, ...own, ...settings];
      const server = await startDatabaseServer({ context, program, dataDirectory, settings: all });
      servers.push(server);
      return server;
    };
    const ids = Array.from({ length: replicas }, (_, index) => index + 2);
    for (const id of ids) {
      await runCommand('cp', ['-Rp', template, join(directory, `server-${id}`)], context);
      // Each server of MySQL makes a name of its own.
      await rm(join(directory, `server-${id}`, 'auto.cnf'), { force: true });
    }
    const [primary, first, ...others] = await Promise.all([1, ...ids].map(startServer));
    if (primary === undefined || first === undefined) throw new Error('There is no replica.');
    const asReplica = (server: DatabaseServer) => startReplica(server, primary, brand);
    const cluster = [await asReplica(first)] as [GtidReplica, ...GtidReplica[]];
    for (const other of others) cluster.push(await asReplica(other));
    return { directory, primary, replicas: cluster, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

const SETTINGS = [
  '--no-defaults',
  '--bind-address=127.0.0.1',
  '--skip-name-resolve',
  '--log-bin=binlog',
  '--sync-binlog=0',
  '--innodb-flush-log-at-trx-commit=2',
  '--innodb-buffer-pool-size=32M',
  '--performance-schema=off',
];

/** Each server runs them by itself, whenever it starts. */
const FIRST_STATEMENTS = `
set sql_log_bin = 0;
create database if not exists service;
create user if not exists service@'%';
grant all on *.* to service@'%' with grant option;
create user if not exists ordinary@'%' with max_user_connections 5;
grant select on service.* to ordinary@'%';
`;

async function createContext(directory: string): Promise<CommandContext> {
  // A server that starts removes the temporary tables of others from the folder that it shares with them.
  const context = { cwd: directory, env: { ...process.env, LC_ALL: 'C', TMPDIR: directory } };
  const user = await findServerUser();
  if (user === undefined) return context;
  await chown(directory, user.uid, user.gid);
  return { ...context, ...user };
}

async function startReplica(
  server: DatabaseServer,
  primary: DatabaseServer,
  brand: Brand,
): Promise<GtidReplica> {
  let source = primary;
  const replica: GtidReplica = {
    ...server,
    async holdBack() {
      await server.ask('stop replica sql_thread');
    },
    async goOn() {
      await server.ask('start replica sql_thread');
    },
    async setDelay(seconds) {
      await server.ask('stop replica');
      await server.ask(brand.delay(seconds));
      await server.ask('start replica');
    },
    async catchUp() {
      const [written] = await source.ask(brand.written);
      const [left] = await server.ask(brand.applied, String(written));
      if (left !== 0) throw new Error(`The replica did not get to ${String(written)}.`);
    },
    async follow(other) {
      source = other;
      await server.ask('stop replica');
      await server.ask(brand.follow(other.port));
      await server.ask('start replica');
      await server.ask('set global read_only = 1');
    },
    async promote() {
      await server.ask('stop replica');
      await server.ask('reset replica all');
      await server.ask('set global read_only = 0');
    },
  };
  await replica.follow(primary);
  return replica;
}
