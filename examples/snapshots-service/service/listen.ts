import { once } from 'node:events';
import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import type { App } from './app.ts';

/** An app that can be reached over HTTP. */
export interface RunningServer extends AsyncDisposable {
  /** Without a slash at its end. */
  readonly url: string;
  /**
   * Takes no more requests, and resolves when those under way are answered, or were cut off after a
   * second.
   */
  close(): Promise<void>;
}

const HOST = '127.0.0.1';

/** A client that stalls half-way through its request is cut off. */
const LIMITS = { headersTimeout: 5_000, requestTimeout: 5_000, connectionsCheckingInterval: 500 };

/** More are closed at once: clients that stall must not use up the files that a process may have open. */
const MOST_CONNECTIONS = 500;

/**
 * Serves an app on this machine only.
 *
 * @param port - `0` is any free one
 * @throws Error with the code `EADDRINUSE` when somebody else has the port
 */
export async function listen(app: App, port: number): Promise<RunningServer> {
  const server = createServer(LIMITS, getRequestListener(app.fetch));
  server.maxConnections = MOST_CONNECTIONS;
  server.listen(port, HOST);
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('The server has no port.');
  const close = async (): Promise<void> => {
    const closed = once(server, 'close');
    server.close();
    const cutOff = setTimeout(() => server.closeAllConnections(), 1_000);
    await closed;
    clearTimeout(cutOff);
  };
  return { url: `http://${HOST}:${address.port}`, close, [Symbol.asyncDispose]: close };
}
