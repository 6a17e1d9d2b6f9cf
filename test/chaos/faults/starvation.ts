import { Client } from 'pg';
import { until } from '../server.ts';
import type { Servers } from '../servers.ts';
import type { Plan, Stage } from './fault.ts';

/** More than either pool of the service has clients. */
const REQUESTS = 15;

/** Requests that wait for a lock hold all of the pool's connections to the primary. */
export function starvePrimaryPool({ servers, spareRun }: Stage, lastsMs: number): Plan {
  let locker: Client;
  let requests: Promise<unknown>;
  return {
    detail: 'of the primary',
    targets: ['the primary', "the primary's address"],
    lastsMs,
    async strike() {
      locker = await connect(servers.primary.connectionString);
      const lock = 'select pg_advisory_lock(hashtextextended($1, 0))';
      await locker.query(lock, [spareRun.id]);
      requests = Promise.all(Array.from({ length: REQUESTS }, () => spareRun.append()));
      requests.catch(() => {}); // heard of below
    },
    async undo() {
      await locker.end();
      await requests;
    },
  };
}

/** Reads that wait for a lock hold connections to a standby, and soon all of the pool's are among them. */
export function starveReplicaPool(servers: Servers, place: 0 | 1, lastsMs: number): Plan {
  return {
    detail: 'of the standbys',
    targets: ['the primary', place === 0 ? 'the first standby' : 'the second standby'],
    lastsMs,
    async strike() {
      const standby = servers.standbys[place];
      const locker = await connect(servers.primary.connectionString);
      try {
        await locker.query('begin');
        await locker.query('lock table waitpoint in access exclusive mode');
        // Nothing sends the lock's record to the standby until somebody commits.
        await servers.primary.run(`select pg_logical_emit_message(true, 'chaos', '')`);
        const lock = `
          select from pg_locks
          where relation = 'waitpoint'::regclass and mode = 'AccessExclusiveLock' and granted`;
        await until('the standby has the lock', async () => (await standby.run(lock)).length > 0);
        await standby.pauseReplay(); // so that it keeps the lock
      } finally {
        await locker.end();
      }
    },
    undo: () => servers.standbys[place].resumeReplay(),
  };
}

async function connect(connectionString: string): Promise<Client> {
  const client = new Client({ connectionString });
  client.on('error', () => {}); // its query rejects as well
  await client.connect();
  return client;
}
