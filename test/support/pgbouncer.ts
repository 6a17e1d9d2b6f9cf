import { findProgram, startCompanionServer } from './companion-server.ts';

/** A pooler in transaction mode: outside a transaction, each statement may be answered on another connection. */
export interface Pgbouncer {
  /** The target's own, but through the pooler. */
  readonly connectionString: string;
  readonly stop: () => Promise<void>;
}

/** Where pgbouncer is. `undefined` when it is not installed. */
export function findPgbouncer(): Promise<string | undefined> {
  return findProgram('pgbouncer');
}

/** @param target - what it connects to: a server, or a balancer in front of several */
export async function startPgbouncer(target: string): Promise<Pgbouncer> {
  const path = await findPgbouncer();
  if (path === undefined) throw new Error('pgbouncer is not installed.');
  const url = new URL(target);
  const { port, stop } = await startCompanionServer({
    path,
    configure: (ownPort) => configure(url, ownPort),
    args: (file) => [file],
  });
  url.host = `127.0.0.1:${port}`;
  return { connectionString: url.href, stop };
}

/** Its connections take turns, so that it shows at once what shares a connection and what does not. */
function configure({ hostname, port, username, password, pathname }: URL, ownPort: number): string {
  const database = pathname.slice(1);
  const login = password === '' ? `user=${username}` : `user=${username} password=${password}`;
  return `
[databases]
${database} = host=${hostname} port=${port} dbname=${database} ${login}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${ownPort}
unix_socket_dir =
auth_type = any
pool_mode = transaction
server_round_robin = 1
default_pool_size = 16
server_login_retry = 0.1
`;
}
