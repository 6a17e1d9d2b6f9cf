import type { StartedTestContainer } from 'testcontainers';
import { runInContainer } from './run-in-container.ts';
import type { ServerControl } from '../running-servers.ts';
import { SERVER_ARGUMENTS } from '../server-settings.ts';

const DATA = '/tmp/standby';
const LOG = '/tmp/standby.log';
const IS_RUNNING = `pg_ctl status -D ${DATA} >/dev/null`;

/** Makes a standby in a container that idles, and starts it. */
export async function startContainerStandby(
  container: StartedTestContainer,
  primaryHost: string,
): Promise<ServerControl> {
  const run = (script: string): Promise<void> => runInContainer(container, script);
  const address = `${container.getHost()}:${container.getMappedPort(5432)}`;
  const start = (): Promise<void> => run(START);
  await run(
    `pg_basebackup -h ${primaryHost} -U postgres -w -D ${DATA} -R -X stream --checkpoint=fast --no-sync`,
  );
  await start();
  return {
    connectionString: `postgres://postgres:postgres@${address}/postgres`,
    start,
    stop: () => run(`! ${IS_RUNNING} || pg_ctl stop -D ${DATA} -m fast -w -t 60 -s`),
    kill: () => run(KILL),
  };
}

/** The primary got its settings as arguments, so they did not come along with its data. */
const STANDBY_ARGUMENTS = [...SERVER_ARGUMENTS, '-c', 'listen_addresses=0.0.0.0'].join(' ');

const START = `${IS_RUNNING} ||
  pg_ctl start -D ${DATA} -l ${LOG} -w -t 60 -s -o '${STANDBY_ARGUMENTS}' ||
  { tail -n 20 ${LOG}; exit 1; }`;

/** Sessions would go by themselves, but a busy one only when its query is done. Waits until nothing of it is left. */
const KILL = `${IS_RUNNING} || exit 0
  server=$(head -n 1 ${DATA}/postmaster.pid)
  sessions=$(cat /proc/$server/task/$server/children)
  kill -s KILL $server $sessions
  for pid in $server $sessions; do while kill -0 $pid; do sleep 0.05; done; done 2>/dev/null`;
