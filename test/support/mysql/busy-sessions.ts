import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import type { Outcome, ReadReport } from 'kysely-replica-fallback';
import { type CausalSession, connectionLost, gtidPosition } from 'kysely-replica-fallback/mysql';
import type { Pool, ResultSetHeader } from 'mysql2/promise';
import type { Operation } from '../consistency/operation.ts';
import type { GtidReplica } from './gtid-cluster.ts';
import { findOrder, type OrdersDatabase, PRIMARY } from './orders.ts';

type Session = CausalSession<Kysely<OrdersDatabase>>;

/** How sessions are opened and where they write, and how many operations are enough. */
export interface Business {
  readonly primary: Pool;
  readonly open: (position: string | undefined) => Session;
  readonly keys: readonly string[];
  readonly operations: number;
}

/** What came of it. */
export interface BusyHistory {
  /** In the order in which the operations ended. */
  readonly history: readonly Operation[];
  readonly outcomes: Partial<Record<Outcome, number>>;
  /** How many reads waited for what their session had to see. */
  readonly waited: number;
}

const SESSIONS = 16;

/** Lets sessions read and write the same few orders, each as fast as it can. Rejects if an operation fails. */
export async function keepSessionsBusy(business: Business): Promise<BusyHistory> {
  const { primary, open, keys, operations } = business;
  const history: Operation[] = [];
  const outcomes: Partial<Record<Outcome, number>> = {};
  let waited = 0;
  const onOutcome = ({ outcome, recovery }: ReadReport): void => {
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    if (recovery?.catchUp?.waitedFor === 'after') waited++;
  };

  const work = async (name: string): Promise<void> => {
    let session = open(undefined);
    const read = async (key: string, after?: 'now') => {
      const start = performance.now();
      const order = await session.read((db) => findOrder(db, key), { after, onOutcome });
      const { version = 0, server = PRIMARY } = order ?? {};
      record(
        { key, kind: 'read', version, servedBy: String(server), ...(after && { after }) },
        start,
      );
    };
    const write = async (key: string, tells: boolean) => {
      const start = performance.now();
      const [{ insertId: version }] = await primary.query<ResultSetHeader>(
        'update orders set version = last_insert_id(version + 1) where id = ?',
        [key],
      );
      session.wrote(tells ? await gtidPosition(primary) : undefined);
      record({ key, kind: 'write', version, servedBy: String(PRIMARY) }, start);
    };
    const record = (what: Omit<Operation, 'session' | 'start' | 'end'>, start: number) =>
      history.push({ session: name, ...what, start, end: performance.now() });
    const steps: readonly ((key: string) => Promise<unknown>)[] = [
      read,
      (key) => read(key),
      (key) => read(key),
      (key) => read(key, 'now'),
      (key) => write(key, false),
      (key) => write(key, true),
      (key) => Promise.all([read(key), read(pick(keys)), read(key)]),
      async () => {
        session = open(await session.position());
      },
    ];
    while (history.length < operations) await pick(steps)(pick(keys));
  };
  await Promise.all(Array.from({ length: SESSIONS }, (_, index) => work(`session-${index}`)));
  return { history, outcomes, waited };
}

function pick<T>(from: readonly T[]): T {
  const picked = from[Math.floor(Math.random() * from.length)];
  if (picked === undefined) throw new Error('There is nothing to pick from.');
  return picked;
}

/** Changes how late replicas are, and kills one of them now and then, until it is stopped. */
export function changeLags(replicas: readonly GtidReplica[]) {
  const ending = new AbortController();
  const changing = Promise.all(
    replicas.map(async (replica, index) => {
      for (let round = index * 10; !ending.signal.aborted; round++) {
        let dies = round % 20 === 0;
        try {
          await replica.holdBack();
          await sleep(Math.random() * (round % 8 === 0 ? 500 : 60));
          await replica.goOn();
        } catch (error) {
          // MySQL 9.7 has been seen to crash when it goes on. To sessions, that is one more death of a replica.
          if (!connectionLost(error)) throw error;
          dies = true;
        }
        await sleep(Math.random() * 100);
        if (!dies) continue;
        await replica.kill();
        await replica.start();
      }
    }),
  );
  changing.catch(() => {}); // heard of by who stops it
  return {
    async stop() {
      ending.abort();
      await changing;
    },
  };
}
