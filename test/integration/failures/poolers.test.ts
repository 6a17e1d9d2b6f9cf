import { type Kysely, sql } from 'kysely';
import { replicaUnavailable } from 'kysely-replica-fallback/postgres';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import type { PoolConfig } from 'pg';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { connect } from '../../support/connect.ts';
import { listSleepers } from '../../support/list-sleepers.ts';
import { findPgbouncer, startPgbouncer } from '../../support/pgbouncer.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';

const NO_POOLER = 'No errors of PgBouncer are tested, because it is not installed.';
const isMissing = (await findPgbouncer()) === undefined;
beforeEach(({ skip }) => skip(isMissing, NO_POOLER));
const database = await replicatedDatabase<object>(async () => {}, startReplicationCluster);
const standby = () => database.cluster.replicas[0];

/** Through a pooler in front of the standby, until the test ends. */
async function openPooled(config?: PoolConfig): Promise<Kysely<object>> {
  const pooler = await startPgbouncer(standby().connectionString);
  onTestFinished(() => pooler.stop());
  const connection = connect<object>(pooler.connectionString, config);
  onTestFinished(() => connection.end());
  return connection.db;
}

test('a startup parameter that PgBouncer refuses is not unavailability', async () => {
  const db = await openPooled({ statement_timeout: 2_000 });

  const error = await sql`select 1`.execute(db).catch((thrown: unknown) => thrown);

  expect(error).toMatchObject({
    code: '08P01',
    message: 'unsupported startup parameter: statement_timeout',
  });
  expect(replicaUnavailable(error)).toBe(false);
});

test('a standby that goes away behind PgBouncer is lost', async () => {
  const db = await openPooled();
  const sleeping = sql`select pg_sleep(60)`.execute(db).catch((error: unknown) => error);
  await expect.poll(() => listSleepers(database.replica.db)).toHaveLength(1);
  onTestFinished(() => standby().start());
  await standby().kill();

  const error = await sleeping;

  expect(error).toMatchObject({ code: '08P01', message: 'server conn crashed?' });
  expect(replicaUnavailable(error)).toBe(true);
});
