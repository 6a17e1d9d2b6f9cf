import type { Outcome, ReadReport } from 'kysely-replica-fallback';
import type { Operation } from './operation.ts';
import { RecordedSession, type Recording } from './recorded-session.ts';

/** How sessions are opened, and when they have done enough. */
export interface Business extends Omit<Recording, 'record' | 'onOutcome'> {
  /** Asked now and then. */
  readonly isEnough: (history: readonly Operation[]) => boolean;
}

/** What came of it. */
export interface BusyHistory {
  /** In the order in which the operations ended. */
  readonly history: readonly Operation[];
  readonly outcomes: Partial<Record<Outcome, number>>;
  /** How many reads waited for what their session had to see. */
  readonly waited: number;
  /** How many reads a standby failed, so that another server had to answer. */
  readonly failedOver: number;
}

const SESSIONS = 32;
/** Few enough for the sessions to see each other's writes. */
const KEYS = Array.from({ length: 8 }, (_, index) => `order-${index}`);
const ASKED_EVERY = 500;

/** Lets 32 sessions read and write the same few orders, each as fast as it can. Rejects if an operation fails. */
export async function keepSessionsBusy({ isEnough, ...business }: Business): Promise<BusyHistory> {
  const ending = new AbortController();
  const history: Operation[] = [];
  const outcomes: Partial<Record<Outcome, number>> = {};
  let waited = 0;
  let failedOver = 0;
  const recording: Recording = {
    ...business,
    record(operation) {
      const length = history.push(operation);
      if (length % ASKED_EVERY === 0 && isEnough(history)) ending.abort();
    },
    onOutcome({ outcome, recovery, replicaError }: ReadReport) {
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      if (recovery?.catchUp?.waitedFor === 'after') waited++;
      if (replicaError !== undefined) failedOver++;
    },
  };
  const work = async (name: string): Promise<void> => {
    const session = new RecordedSession(name, recording);
    let key = pick(KEYS);
    while (!ending.signal.aborted) {
      // As users do, it often comes back to what it has just seen or written.
      if (Math.random() < 0.5) key = pick(KEYS);
      await pick(STEPS)(session, key);
    }
  };
  try {
    await Promise.all(Array.from({ length: SESSIONS }, (_, index) => work(`session-${index}`)));
  } finally {
    ending.abort();
  }
  return { history, outcomes, waited, failedOver };
}

/** What a session does next. Each is as likely as the others. */
const STEPS: readonly ((session: RecordedSession, key: string) => Promise<unknown>)[] = [
  (session, key) => session.read(key),
  (session, key) => session.read(key),
  (session, key) => session.read(key),
  (session, key) => session.read(key, soon()),
  (session, key) => session.readNow(key),
  (session, key) => session.write(key),
  (session, key) => session.write(key, soon()),
  (session, key) => session.writeAndTell(key),
  (session, key) => Promise.all([session.read(key), session.read(key), session.read(pick(KEYS))]),
  (session, key) => Promise.all([session.write(key), session.read(key)]),
  (session) => session.handOn(),
];

/** When who asked gives up. */
function soon(): AbortSignal {
  return AbortSignal.timeout(Math.ceil(Math.random() * 20));
}

function pick<T>(from: readonly T[]): T {
  const picked = from[Math.floor(Math.random() * from.length)];
  if (picked === undefined) throw new Error('There is nothing to pick from.');
  return picked;
}
