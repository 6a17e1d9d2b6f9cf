import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** The same server, as if it stood a network round trip of `roundTripMs` away. */
export async function startDistance(connectionString: string, roundTripMs: number) {
  const target = new URL(connectionString);
  const sockets = new Set<Socket>();
  const proxy = createServer((near) => {
    const far = connect({ host: target.hostname, port: Number(target.port), noDelay: true });
    near.setNoDelay();
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      // All of the round trip on the way there: timers have a resolution of 1 ms.
      const delayMs = from === near ? roundTripMs : 0;
      from.on('data', (chunk: Buffer) => {
        if (delayMs === 0) to.write(chunk);
        else setTimeout(() => to.write(chunk), delayMs);
      });
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
    }
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const distant = new URL(target);
  distant.port = String((proxy.address() as AddressInfo).port);
  return {
    connectionString: distant.href,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}
