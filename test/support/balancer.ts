import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { findProgram, startCompanionServer } from './companion-server.ts';

/** One address for several servers: each new connection goes to the next of them that is up. */
export interface Balancer {
  /** That of the first server, but through the balancer. */
  readonly connectionString: string;
  /** Who balances: `haproxy`, or a small proxy in this process where that is not installed. */
  readonly by: string;
  readonly stop: () => Promise<void>;
}

export async function startBalancer(connectionStrings: readonly string[]): Promise<Balancer> {
  const servers = connectionStrings.map((connectionString) => new URL(connectionString));
  const haproxy = await findProgram('haproxy');
  const { port, stop } = await (haproxy === undefined
    ? startProxy(servers)
    : startHaproxy(haproxy, servers));
  const url = new URL(connectionStrings[0] ?? '');
  url.host = `127.0.0.1:${port}`;
  const by = haproxy === undefined ? 'a small proxy' : 'haproxy';
  return { connectionString: url.href, by, stop };
}

function startHaproxy(path: string, servers: readonly URL[]) {
  const configure = (port: number) => `
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  option redispatch 1
listen standbys
  bind 127.0.0.1:${port}
  balance roundrobin
${servers.map(({ host }, index) => `  server standby-${index} ${host}`).join('\n')}
`;
  return startCompanionServer({ path, configure, args: (file) => ['-db', '-f', file] });
}

async function startProxy(servers: readonly URL[]) {
  const sockets = new Set<Socket>();
  let accepted = 0;
  const listener = createServer((client) => {
    const { hostname, port } = servers[accepted++ % servers.length] ?? {};
    const server = connect({ host: hostname, port: Number(port), noDelay: true });
    client.setNoDelay();
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(one);
      one
        .on('error', () => {})
        .on('close', () => {
          sockets.delete(one);
          other.destroySoon();
        });
      one.pipe(other);
    }
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    port: (listener.address() as { port: number }).port,
    async stop() {
      listener.close();
      for (const socket of sockets) socket.destroy();
      await once(listener, 'close');
    },
  };
}
