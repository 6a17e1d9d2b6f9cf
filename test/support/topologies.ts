import type { Kysely } from 'kysely';
import type { Replica } from 'kysely-replica-fallback/testing';
import type { PoolConfig } from 'pg';
import { onTestFinished } from 'vitest';
import { startBalancer } from './balancer.ts';
import { connect } from './connect.ts';
import type { OrdersDatabase } from './orders.ts';
import { findPgbouncer, startPgbouncer } from './pgbouncer.ts';

/** A way in which a service reaches its standbys: opens what stands in between, until the test ends. */
export type Topology = (
  standbys: readonly Replica[],
  config?: PoolConfig,
) => Promise<Kysely<OrdersDatabase> | readonly Kysely<OrdersDatabase>[]>;

/** Each standby is listed, as a replica of its own. */
export const listed: Topology = async (standbys, config) =>
  standbys.map(({ connectionString }) => connectUntilTheEnd(connectionString, config));

/** One address, where each connection leads to another standby. */
export const balanced: Topology = async (standbys, config) =>
  connectUntilTheEnd(await balance(standbys), config);

/** One address, where each transaction leads to another standby. Needs pgbouncer. */
export const pooled: Topology = async (standbys, config) => {
  // The pgbouncer of Debian 12 takes several hosts, but one port for all of them.
  const pgbouncer = await startPgbouncer(await balance(standbys));
  onTestFinished(() => pgbouncer.stop());
  return connectUntilTheEnd(pgbouncer.connectionString, config);
};

const NO_POOLER = 'Nothing is tested behind a pooler, because pgbouncer is not installed.';

/** For a table of tests, with the reason why one cannot be opened here, if there is one. */
export const TOPOLOGIES = [
  { topology: 'two replicas', open: listed },
  { topology: 'two standbys behind one address', open: balanced },
  {
    topology: 'two standbys behind a transaction-mode pooler',
    open: pooled,
    obstacle: (await findPgbouncer()) === undefined ? NO_POOLER : undefined,
  },
];

async function balance(standbys: readonly Replica[]): Promise<string> {
  const balancer = await startBalancer(standbys.map(({ connectionString }) => connectionString));
  onTestFinished(() => balancer.stop());
  return balancer.connectionString;
}

/** Enough connections for 32 readers to keep busy, and few enough to make them share. */
function connectUntilTheEnd(connectionString: string, config?: PoolConfig): Kysely<OrdersDatabase> {
  const connection = connect<OrdersDatabase>(connectionString, { max: 16, ...config });
  onTestFinished(() => connection.end());
  return connection.db;
}
