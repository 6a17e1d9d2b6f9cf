import { Agent, type IncomingMessage, request } from 'node:http';
import { json } from 'node:stream/consumers';
import type { SnapshotKey } from '../../../examples/snapshots-service/service/snapshot-writer.ts';

/** What came of the requests of a while. */
export interface Harvest {
  /** How long each took that was answered as it should be, in milliseconds. */
  readonly times: readonly number[];
  /** How the others ended: a status, or the code of a connection's error. */
  readonly errors: readonly string[];
}

/** Whoever starts a run asks about it at once, and then again and again. */
const POLLS_PER_RUN = 19;

/** Lets clients work for so long who ask again as soon as they are answered, each on a connection that it keeps. */
export async function runClosedLoop(url: string, clients: number, ms: number): Promise<Harvest> {
  const times: number[] = [];
  const errors: string[] = [];
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const end = performance.now() + ms;

  const work = async (): Promise<void> => {
    let polls = POLLS_PER_RUN;
    let poll = '';
    const ask = async (): Promise<number> => {
      if (polls < POLLS_PER_RUN) {
        polls += 1;
        return (await send(agent, 'GET', poll)).status;
      }
      const { status, body } = await send(agent, 'POST', `${url}/runs`);
      if (status !== 201) return status;
      const { runId, snapshotId } = body as SnapshotKey;
      poll = `${url}/runs/${runId}/snapshots/since/${snapshotId}`;
      polls = 0;
      return status;
    };
    for (let start = performance.now(); start < end; start = performance.now()) {
      const what = await ask().catch((error: NodeJS.ErrnoException) => error.code);
      if (what === 200 || what === 201) times.push(performance.now() - start);
      else errors.push(String(what));
    }
  };
  await Promise.all(Array.from({ length: clients }, work));
  agent.destroy();
  return { times, errors };
}

async function send(agent: Agent, method: string, url: string) {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(url, { agent, method }, resolve).on('error', reject).end();
  });
  return { status: response.statusCode ?? 0, body: await json(response) };
}
