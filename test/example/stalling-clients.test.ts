import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSnapshotTables, type SnapshotTables } from 'kysely-replica-fallback/snapshots';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startExampleService } from '../support/example/example-service.ts';
import { openSocket, type RawAnswer, readAnswer } from '../support/example/raw-socket.ts';
import {
  type ReplicatedDatabase,
  startReplicatedDatabase,
} from '../support/replicated-database.ts';

const HEAD = 'POST /runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n';
/** How a request begins, and what then comes of it a few times a second. */
const SLOW = [
  ['', ''],
  [HEAD, 'X'],
  [`${HEAD}Content-Length: 60000\r\n\r\n`, ' '],
  [`${HEAD}Transfer-Encoding: chunked\r\n\r\n`, '1\r\n \r\n'],
] as const;
const EACH = 25;

const MOST_CONNECTIONS = 500;
const TOO_MANY = 50;

describe("the example's service", () => {
  let database: ReplicatedDatabase<SnapshotTables>;

  beforeAll(async () => {
    database = await startReplicatedDatabase(createSnapshotTables);
  });
  afterAll(() => database?.end());

  const start = () => {
    const { primary, replicas } = database.cluster;
    return startExampleService({
      primary: primary.connectionString,
      replica: replicas[0].connectionString,
    });
  };

  test('cuts off clients that send their requests bit by bit, and serves the others meanwhile', async () => {
    const service = await start();
    const answers = SLOW.flatMap(([head, bit]) =>
      Array.from({ length: EACH }, () => dribble(service.url, head, bit)),
    );
    const isOver = Promise.all(answers).then(() => true);
    for (let over = false; !over; over = await Promise.race([isOver, sleep(100, false)])) {
      expect((await service.post('/runs')).status).toBe(201);
    }
    for (const { statuses } of await Promise.all(answers)) expect(statuses).toEqual([408]);
  });

  test('takes no more connections than it can, and others again when those have ended', async () => {
    const service = await start();
    const clients = Array.from({ length: MOST_CONNECTIONS + TOO_MANY }, async () =>
      readAnswer(await openSocket(service.url)),
    );
    const answers = await Promise.all(clients);
    expect(answers.filter(({ statuses }) => statuses[0] === 408)).toHaveLength(MOST_CONNECTIONS);
    expect(answers.filter(({ text }) => text === '')).toHaveLength(TOO_MANY);
    expect((await service.post('/runs')).status).toBe(201);
  });

  test('answers 413 to a body that never ends, and reads only so much of it', async () => {
    const service = await start();
    const socket = await openSocket(service.url);
    socket.write(`${HEAD}Transfer-Encoding: chunked\r\n\r\n`);
    Readable.from(again(`10000\r\n${' '.repeat(0x10000)}\r\n`)).pipe(socket);
    expect((await readAnswer(socket)).statuses).toEqual([413]);
    expect((await service.post('/runs')).status).toBe(201);
  });
});

async function dribble(url: string, head: string, bit: string): Promise<RawAnswer> {
  const socket = await openSocket(url);
  const answer = readAnswer(socket);
  socket.write(head);
  while (socket.writable) {
    socket.write(bit);
    await sleep(100);
  }
  return answer;
}

function* again(text: string): Generator<string> {
  for (;;) yield text;
}
