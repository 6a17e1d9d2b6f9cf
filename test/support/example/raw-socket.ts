import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** What came back over a connection until the server closed it. */
export interface RawAnswer {
  /** Of each answer, in their order. */
  readonly statuses: readonly number[];
  readonly text: string;
}

/** Longer than any time limit of a server: a connection that is still open by then hangs. */
const LONGEST_MS = 30_000;

/** Opens a connection that survives a reset. */
export async function openSocket(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {}); // it is closed as well
  await once(socket, 'connect');
  return socket;
}

/**
 * Sends bytes, and reads until the server closes the connection.
 *
 * @param breakOff - ends the connection after them, as a client does that has gone
 * @throws Error when the server leaves it open
 */
export async function sendBytes(
  url: string,
  bytes: Uint8Array,
  { breakOff = false }: { readonly breakOff?: boolean } = {},
): Promise<RawAnswer> {
  const socket = await openSocket(url);
  socket.write(bytes);
  if (breakOff) socket.end();
  return readAnswer(socket);
}

/** Reads until the server closes the connection, or begins to stream events, which nobody waits for the end of. */
export async function readAnswer(socket: Socket): Promise<RawAnswer> {
  let text = '';
  let hangs = false;
  socket.setTimeout(LONGEST_MS, () => {
    hangs = true;
    socket.destroy();
  });
  socket.setEncoding('latin1').on('data', (part: string) => {
    text += part;
    if (/^content-type: text\/event-stream/im.test(text)) socket.destroy();
  });
  await closed(socket);
  if (hangs) throw new Error(`The server left a connection open, after ${JSON.stringify(text)}.`);
  const statuses = [...text.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status));
  return { statuses, text };
}

/** Not `once`, which rejects when the connection is reset. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });
}
