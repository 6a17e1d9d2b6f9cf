import type { StartedTestContainer } from 'testcontainers';
import { runInContainer } from './run-in-container.ts';
import type { ServerControl } from '../running-servers.ts';

const LOG = '/tmp/server.log';

/** A server in a container that stays, because one that starts again gets another port. */
interface ServerInContainer {
  readonly container: StartedTestContainer;
  readonly connectionString: string;
  /** Its data directory, as a shell reads it. */
  readonly data: string;
  readonly settings: readonly string[];
}

/** Starts and ends the server, and not its container. */
export function controlServer(server: ServerInContainer): ServerControl {
  const { container, connectionString, data, settings } = server;
  const run = (script: string): Promise<void> => runInContainer(container, script);
  const isRunning = `pg_ctl status -D "${data}" >/dev/null`;
  return {
    connectionString,
    start: () =>
      run(`${isRunning} ||
        pg_ctl start -D "${data}" -l ${LOG} -w -t 60 -s -o '${settings.join(' ')}' ||
        { tail -n 20 ${LOG}; exit 1; }`),
    stop: () => run(`! ${isRunning} || pg_ctl stop -D "${data}" -m fast -w -t 60 -s`),
    // Sessions would go by themselves, but a busy one only when its query is done. Waits until nothing of it is left.
    kill: () =>
      run(`${isRunning} || exit 0
        server=$(head -n 1 "${data}/postmaster.pid")
        sessions=$(cat /proc/$server/task/$server/children)
        kill -s KILL $server $sessions
        for pid in $server $sessions; do while kill -0 $pid; do sleep 0.05; done; done 2>/dev/null`),
  };
}
