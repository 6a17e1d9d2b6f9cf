import type { StartedPostgreSqlContainer } from '@testcontainers/postgresql';
import type { StartedTestContainer } from 'testcontainers';
import { controlServer } from './container-server.ts';
import { startContainerStandby } from './container-standby.ts';
import { importPeer } from '../import-peer.ts';
import { pollUntil } from '../poll-until.ts';
import { runInContainer } from './run-in-container.ts';
import type { RunningServers } from '../running-servers.ts';
import { SERVER_ARGUMENTS } from '../server-settings.ts';
import { runSql } from '../sql.ts';

/** The primary's name on the network of its cluster. */
const PRIMARY_HOST = 'primary';
const RELOAD_TIMEOUT_MS = 10_000;

/** Runs every server in a container of its own, on a network of their own. */
export async function startContainers(replicas: number, image: string): Promise<RunningServers> {
  const testcontainers = await importPeer('testcontainers', () => import('testcontainers'));
  const network = await new testcontainers.Network().start();
  const containers: StartedTestContainer[] = [];
  const keep = async <Container extends StartedTestContainer>(
    starting: Promise<Container>,
  ): Promise<Container> => {
    const container = await starting;
    containers.push(container);
    return container;
  };
  const dispose = async (): Promise<void> => {
    const stopping = containers.map((container) => container.stop());
    await Promise.allSettled(stopping);
    await network.stop();
    await Promise.all(stopping);
  };

  try {
    const { PostgreSqlContainer } = await importPeer(
      '@testcontainers/postgresql',
      () => import('@testcontainers/postgresql'),
    );
    const startingPrimary = new PostgreSqlContainer(image)
      .withDatabase('postgres')
      .withUsername('postgres')
      .withPassword('postgres')
      .withEntrypoint(['sh', '-c', `docker-entrypoint.sh "$@" & ${IDLE}`, 'entrypoint'])
      .withCommand(['postgres', ...SERVER_ARGUMENTS])
      .withNetwork(network)
      .withNetworkAliases(PRIMARY_HOST)
      // Goes on while the container does. The default, four times a second, is too much for a machine with several clusters.
      .withHealthCheck({
        test: ['CMD-SHELL', 'pg_isready --host localhost --username postgres'],
        interval: 1_000,
        timeout: 10_000,
        retries: 100,
      })
      .start();
    const startingStandbys = Array.from({ length: replicas }, () =>
      new testcontainers.GenericContainer(image)
        .withEntrypoint(['sh', '-c', IDLE])
        .withExposedPorts(5432)
        .withNetwork(network)
        .withWaitStrategy(testcontainers.Wait.forSuccessfulCommand('true'))
        .start(),
    );
    const starting = [keep(startingPrimary), ...startingStandbys.map(keep)] as const;
    await Promise.allSettled(starting);
    const [primary, ...standbys] = await Promise.all(starting);

    await admitReplication(primary);
    return {
      primary: controlServer({
        container: primary,
        connectionString: primary.getConnectionUri(),
        data: '$PGDATA',
        settings: SERVER_ARGUMENTS,
      }),
      replicas: await Promise.all(
        standbys.map((container) => startContainerStandby(container, PRIMARY_HOST)),
      ),
      dispose,
    };
  } catch (error) {
    await dispose().catch(() => {});
    throw error;
  }
}

/**
 * A server comes and goes in a container that stays, because a container that starts again gets another port. A shell is the
 * first process there, because it collects the orphans that a killed server leaves.
 */
const IDLE = 'trap "exit 0" TERM INT; while :; do sleep 3600 & wait $!; done';

/** The image lets clients in from the network, but no standbys. */
async function admitReplication(primary: StartedPostgreSqlContainer): Promise<void> {
  const connectionString = primary.getConnectionUri();
  const before = await readConfiguration(connectionString);
  const rule = 'host replication all all trust';
  await runInContainer(primary, `echo '${rule}' >> '${before.hbaFile}'`);
  await runSql(connectionString, { text: 'select pg_reload_conf()' });
  await pollUntil(
    async () => (await readConfiguration(connectionString)).loadedAt !== before.loadedAt,
    RELOAD_TIMEOUT_MS,
    () => `The primary did not reload its configuration within ${RELOAD_TIMEOUT_MS} ms.`,
  );
}

interface Configuration extends Record<string, unknown> {
  readonly hbaFile: string;
  readonly loadedAt: string;
}

async function readConfiguration(connectionString: string): Promise<Configuration> {
  const [row] = await runSql<Configuration>(connectionString, {
    text: `select current_setting('hba_file') as "hbaFile", pg_conf_load_time()::text as "loadedAt"`,
  });
  if (row === undefined) throw new Error('The primary did not say where its configuration is.');
  return row;
}
