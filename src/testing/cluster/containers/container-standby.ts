import type { StartedTestContainer } from 'testcontainers';
import { controlServer } from './container-server.ts';
import { runInContainer } from './run-in-container.ts';
import type { ServerControl } from '../running-servers.ts';
import { SERVER_ARGUMENTS } from '../server-settings.ts';

const DATA = '/tmp/standby';

/** Makes a standby in a container that idles, and starts it. */
export async function startContainerStandby(
  container: StartedTestContainer,
  primaryHost: string,
): Promise<ServerControl> {
  await runInContainer(
    container,
    `pg_basebackup -h ${primaryHost} -U postgres -w -D ${DATA} -R -X stream --checkpoint=fast --no-sync`,
  );
  const address = `${container.getHost()}:${container.getMappedPort(5432)}`;
  const standby = controlServer({
    container,
    connectionString: `postgres://postgres:postgres@${address}/postgres`,
    data: DATA,
    // The primary got its settings as arguments, so they did not come along with its data.
    settings: [...SERVER_ARGUMENTS, '-c', 'listen_addresses=0.0.0.0'],
  });
  await standby.start();
  return standby;
}
