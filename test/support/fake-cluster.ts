import {
  type CatchUp,
  InvalidPositionError,
  ReplicaBehindError,
  type ReplicaQuery,
} from 'kysely-replica-fallback';
import { createCatchUp, type Reach } from 'kysely-replica-fallback/catch-up';

/** A version of a row, as it stands in the log. */
interface Row {
  readonly id: string;
  readonly version: number;
}

/** A query for one row of a fake cluster. */
export type FakeQuery = ReplicaQuery<FakeServer, Row | undefined>;

/** A server that shows as much of its cluster's log as it has. */
export class FakeServer {
  readonly name: string;
  /** How many entries of the log it has. */
  has = 0;
  /** What it answers when it is asked for its position. */
  says: () => Promise<string | undefined> = async () => positionAt(this.has);
  /** How it waits for a position by itself, if it can. */
  waits: (position: string, timeoutMs: number) => Promise<Reach> | undefined = () => undefined;
  /** How many queries have asked it for its position, those that check an attempt not counted. */
  asked = 0;
  /** How many of them ran at the same time, at most. */
  askedAtOnce = 0;
  #asking = 0;
  readonly #log: readonly Row[];

  constructor(name: string, log: readonly Row[]) {
    this.name = name;
    this.#log = log;
  }

  /** The newest version that it has of a row. */
  find(id: string): Row | undefined {
    return this.#log.slice(0, this.has).findLast((row) => row.id === id);
  }

  ask(): Promise<string | undefined> {
    return this.#count(this.says());
  }

  askToWait(position: string, timeoutMs: number): Promise<Reach> | undefined {
    const answer = this.waits(position, timeoutMs);
    return answer && this.#count(answer);
  }

  async #count<T>(answer: Promise<T>): Promise<T> {
    this.asked++;
    this.askedAtOnce = Math.max(this.askedAtOnce, ++this.#asking);
    try {
      return await answer;
    } finally {
      this.#asking--;
    }
  }
}

/** A primary, its replicas, and a query that says whom it has asked. */
export interface FakeCluster {
  readonly primary: FakeServer;
  readonly replicas: readonly FakeServer[];
  /** The first one. */
  readonly replica: FakeServer;
  /** The options of a read of this cluster. */
  readonly options: {
    readonly primary: FakeServer;
    readonly replica: readonly FakeServer[];
    readonly catchUp: CatchUp<FakeServer>;
  };
  /** Who was asked for a row, in order: `'replica as replica_retry'`. */
  readonly asked: readonly string[];
  readonly find: (id: string) => FakeQuery;
  /** Writes the next version of a row on the primary, and gives the position after it. */
  readonly write: (id: string) => string;
  /** Lets a replica, by default the first one, have all that the primary has. */
  readonly replay: (replica?: FakeServer) => void;
}

export function fakeCluster(replicaCount = 1): FakeCluster {
  const log: Row[] = [];
  const asked: string[] = [];
  const primary = new FakeServer('primary', log);
  const replica = new FakeServer('replica', log);
  const others = Array.from(
    { length: replicaCount - 1 },
    (_, index) => new FakeServer(`replica ${index + 2}`, log),
  );
  const replicas = [replica, ...others];
  return {
    primary,
    replicas,
    replica,
    options: { primary, replica: replicas, catchUp },
    asked,
    find:
      (id) =>
      async (db, { source }) => {
        asked.push(`${db.name} as ${source}`);
        return db.find(id);
      },
    write(id) {
      log.push({ id, version: (primary.find(id)?.version ?? 0) + 1 });
      primary.has = log.length;
      return positionAt(log.length);
    },
    replay(of = replica) {
      of.has = primary.has;
    },
  };
}

/** One of two replicas has the second version of `o1`, and the other one the first. */
export function unevenCluster() {
  const cluster = fakeCluster(2);
  const [newer, older] = cluster.replicas;
  cluster.write('o1');
  cluster.replay(older);
  cluster.write('o1');
  cluster.replay(newer);
  return { cluster, newer, older };
}

const catchUp = createCatchUp<FakeServer>({
  async position(primary) {
    const position = await primary.ask();
    if (position === undefined) throw new Error('The primary gave no position.');
    return position;
  },
  replayed: (replica) => replica.ask(),
  whenReplayed: (replica, position, timeoutMs) => replica.askToWait(position, timeoutMs),
  compare,
  async runAt(replica, position, query) {
    if (position === undefined) return query(replica);
    const replayed = await replica.says();
    const reach = replayed === undefined ? 'unknown' : compare(replayed, position);
    if (reach !== 'reached') throw new ReplicaBehindError(reach);
    return query(replica);
  },
});

/** After so many entries of the cluster's log. */
export function positionAt(entries: number): string {
  return `log-${entries}`;
}

function compare(replayed: string, position: string): Reach {
  const has = parse(replayed);
  const needs = parse(position);
  if (has.log !== needs.log) return 'unknown';
  return has.entries >= needs.entries ? 'reached' : 'behind';
}

function parse(position: string): { readonly log: string; readonly entries: number } {
  const [, log, entries] = /^([a-z]+)-(\d+)$/.exec(position) ?? [];
  if (log === undefined) throw new InvalidPositionError(position);
  return { log, entries: Number(entries) };
}
