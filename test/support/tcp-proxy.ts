import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** Stands between clients and a server, and does to their connections what networks do. */
export interface TcpProxy extends AsyncDisposable {
  /** The server's own, but through the proxy. */
  readonly connectionString: string;
  /** How many connections were accepted so far. */
  readonly accepted: number;
  /** How many connections clients have open now. */
  readonly open: number;
  /** Ends every fault, but a connection that was swallowed, or has lost its server, stays silent. */
  pass(): Promise<void>;
  /** Nothing listens any more, and who was connected is cut off. */
  refuse(): void;
  /** Accepts everyone, swallows all that is sent, either way, and closes nothing. */
  blackHole(): void;
  /** The connections that are open lose their server without being told. New ones get through. */
  loseServer(): void;
  /** From now on, new connections lead to another server, or to each of several in turn. */
  redirect(...targets: readonly string[]): void;
  /** Resets a connection as soon as this much more of the server's answers has passed. */
  resetAfter(bytes: number): void;
  close(): Promise<void>;
}

/** What becomes of a connection: a reset after so many bytes of the server's answers, or silence. */
type Fate = number | 'swallow';

const PASS: Fate = Infinity;

/**
 * Listens on a free port of 127.0.0.1, and lets everything through.
 *
 * @param onSent - hears what clients send, as far as it gets to the server
 */
export async function startTcpProxy(
  target: string,
  onSent: (sent: Buffer) => void = () => {},
): Promise<TcpProxy> {
  const url = new URL(target);
  let upstreams = [addressOf(url)];
  const connections = new Set<ProxiedConnection>();
  let fate: Fate = PASS;
  let accepted = 0;
  const decide = (next: Fate) => {
    fate = next;
    for (const connection of connections) connection.suffer(fate);
  };

  const listener = createServer((client) => {
    const upstream = upstreams[accepted++ % upstreams.length]!; // there is always one
    const connection = new ProxiedConnection(client, connect(upstream), fate, onSent);
    connections.add(connection);
    void connection.closed.then(() => connections.delete(connection));
  });
  const listen = async (port: number) => {
    listener.listen(port, '127.0.0.1');
    await once(listener, 'listening');
    return (listener.address() as { port: number }).port;
  };
  const port = await listen(0);
  url.hostname = '127.0.0.1';
  url.port = String(port);

  const refuse = () => {
    listener.close();
    for (const connection of connections) connection.reset();
  };
  const close = async () => {
    refuse();
    await Promise.all([...connections].map(({ closed }) => closed));
  };
  return {
    connectionString: url.href,
    get accepted() {
      return accepted;
    },
    get open() {
      return connections.size;
    },
    async pass() {
      decide(PASS);
      if (!listener.listening) await listen(port);
    },
    refuse,
    blackHole: () => decide('swallow'),
    loseServer() {
      for (const connection of connections) connection.loseServer();
    },
    redirect(...targets) {
      upstreams = targets.map((each) => addressOf(new URL(each)));
    },
    resetAfter: decide,
    close,
    [Symbol.asyncDispose]: close,
  };
}

function addressOf({ hostname, port }: URL): { readonly host: string; readonly port: number } {
  return { host: hostname, port: Number(port) };
}

class ProxiedConnection {
  /** Resolves when both sides are. */
  readonly closed: Promise<unknown>;
  readonly #client: Socket;
  readonly #server: Socket;
  #bytesToPass = 0;
  #isSwallowed = false;

  constructor(client: Socket, server: Socket, fate: Fate, onSent: (sent: Buffer) => void) {
    this.#client = client;
    this.#server = server;
    this.closed = Promise.all([client, server].map(closeOf));
    this.suffer(fate);
    client.on('data', (sent) => {
      if (this.#isSwallowed) return;
      onSent(sent);
      server.write(sent);
    });
    server.on('data', (sent) => this.#isSwallowed || this.#answer(sent));
    client.on('close', () => server.destroySoon());
    server.on('close', () => this.#isSwallowed || client.destroySoon());
  }

  suffer(fate: Fate): void {
    if (fate === 'swallow') this.#isSwallowed = true;
    else this.#bytesToPass = fate;
  }

  loseServer(): void {
    this.#isSwallowed = true;
    this.#server.destroy();
  }

  reset(): void {
    // Node.js cannot reset a socket that is shutting down: it would neither close it nor say `close`.
    if (this.#client.writable) this.#client.resetAndDestroy();
    else this.#client.destroy();
  }

  #answer(sent: Buffer): void {
    const passed = sent.subarray(0, this.#bytesToPass);
    this.#bytesToPass -= passed.length;
    this.#client.write(passed, () => this.#bytesToPass > 0 || this.reset());
  }
}

/** How a connection ended is for the other side to know. */
function closeOf(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => socket.on('error', resolve).on('close', resolve));
}
