import { pause } from '../clock.ts';
import type { Stage } from '../faults/fault.ts';
import type { Random } from '../random.ts';
import type { Actor } from './actor.ts';
import { Client, type Service } from './client.ts';
import { CookieJar, type Note } from './cookie-jar.ts';
import { Newcomer, Storms } from './newcomer.ts';
import { Run } from './run.ts';
import { Runner } from './runner.ts';
import { Returner } from './returner.ts';
import { SessionUser } from './session-user.ts';
import { Tally } from './tally.ts';
import { Writer } from './writer.ts';

const RUNS = 8;
const WRITERS_OF_A_RUN = 2;
/** 64 pollers. */
const RUNNERS_OF_A_RUN = 4;
const NEWCOMERS = 16;
const SESSIONS = 16;
/** Few enough for them to see each other's changes. */
const SESSIONS_OF_A_RUN = 4;
const RETURNERS = 4;

/** Everybody who asks the service. */
export interface Traffic {
  readonly tally: Tally;
  readonly runs: readonly Run[];
  readonly runners: readonly Runner[];
  readonly sessions: readonly SessionUser[];
  readonly spareRun: Stage['spareRun'];
  /** Lets all of them ask until the signal aborts. Rejects at once with a violation. */
  go(signal: AbortSignal): Promise<void>;
}

/** Creates the runs, and those who will ask about them. */
export async function prepareTraffic(service: Service, random: Random): Promise<Traffic> {
  const tally = new Tally();
  const client = (name: string) => new Client(name, service, tally);
  const create = async (name: string): Promise<Run> => {
    const { runId, snapshotId } = await startRun(client(name));
    return new Run(name, runId, snapshotId);
  };
  const runs = await Promise.all(times(RUNS, (index) => create(`run-${index}`)));
  const make = <T>(name: string, build: (client: Client, random: Random) => T): T =>
    build(client(name), random.fork(name));
  const writers = runs.flatMap((run) =>
    times(WRITERS_OF_A_RUN, (index) =>
      make(`${run.name}-writer-${index}`, (own, choices) => new Writer(own, run, choices)),
    ),
  );
  const runners = runs.flatMap((run) =>
    times(RUNNERS_OF_A_RUN, (index) =>
      make(`${run.name}-runner-${index}`, (own, choices) => new Runner(own, run, choices)),
    ),
  );
  const storms = new Storms();
  const newcomers = times(NEWCOMERS, (index) =>
    make(`newcomer-${index}`, (own, choices) => new Newcomer(own, runs, storms, choices)),
  );
  const notes = await Promise.all(
    times(SESSIONS / SESSIONS_OF_A_RUN, (index) => startNotes(client(`notes-${index}`))),
  );
  const jar = new CookieJar(random.fork('jar'));
  const sessions = notes
    .flat()
    .map((own, index) =>
      make(
        `session-${index}`,
        (each, choices) => new SessionUser(each, { own }, index % 2 === 0, jar, choices),
      ),
    );
  const returners = times(RETURNERS, (index) =>
    make(`returner-${index}`, (own, choices) => new Returner(own, jar, choices)),
  );
  const spare = client('spare');
  const { runId } = await startRun(spare);
  const actors = [...writers, ...runners, ...newcomers, ...sessions, ...returners];
  return {
    tally,
    runs,
    runners,
    sessions,
    spareRun: {
      id: runId,
      append: () =>
        spare.ask('append, held up', `/runs/${runId}/snapshots`, { method: 'POST', body: {} }),
    },
    async go(signal) {
      const pauses = random.fork('pauses');
      await Promise.all(
        actors.map((actor, index) => keepGoing(actor, pauses.fork(String(index)), signal)),
      );
    },
  };
}

async function keepGoing(actor: Actor, random: Random, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await actor.step();
    await pause(random.integer(0, actor.pauseMs), signal);
  }
}

async function startRun(client: Client, description = ''): Promise<Note> {
  const { status, body } = await client.ask('start', '/runs', {
    method: 'POST',
    body: { description },
  });
  if (status !== 201) throw new Error('The service could not start a run.');
  return body as Note;
}

/** A run with a note for each of its sessions. */
async function startNotes(client: Client): Promise<Note[]> {
  const notes = [await startRun(client, '0')];
  while (notes.length < SESSIONS_OF_A_RUN) {
    const { body } = await client.ask('start', `/runs/${notes[0]!.runId}/snapshots`, {
      method: 'POST',
      body: { description: '0' },
    });
    notes.push(body as Note);
  }
  return notes;
}

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}
