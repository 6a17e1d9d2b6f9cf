import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import { afterEach, expect, test, vi } from 'vitest';

afterEach(() => {
  vi.unstubAllEnvs();
});

/** What pg, libpq and the servers' programs read. https://www.postgresql.org/docs/current/libpq-envars.html */
test.for<Readonly<Record<string, string>>>([
  {
    PGSSLMODE: 'require',
    PGSSLNEGOTIATION: 'direct',
    PGREPLICATION: 'true',
    PGOPTIONS: '-c no_such_setting=1',
    PGHOST: 'nowhere.invalid',
    PGPORT: '1',
    PGUSER: 'nobody',
    PGPASSWORD: 'x',
    PGDATABASE: 'x',
    PGPASSFILE: '/nowhere',
    PGSERVICE: 'nowhere',
    PGDATA: '/nowhere',
  },
  {
    PGOPTIONS: '-c default_transaction_read_only=on',
    PGAPPNAME: 'mine',
    PGCLIENT_ENCODING: 'x',
    PGCONNECT_TIMEOUT: 'x',
    PGTZ: 'x',
    PGTARGETSESSIONATTRS: 'read-only',
  },
])('%o does not get in the way of a cluster', { timeout: 60_000 }, async (variables) => {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
  await using cluster = await startReplicationCluster();
  const [replica] = cluster.replicas;

  await replica.pauseReplay();
  await replica.resumeReplay();
  await replica.setApplyDelay(1);
  await replica.restart();
  await expect(replica.waitForReplay()).resolves.toBeUndefined();
});
