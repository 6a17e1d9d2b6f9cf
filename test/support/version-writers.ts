import { setTimeout as sleep } from 'node:timers/promises';
import { type Kysely, sql } from 'kysely';
import { walPosition } from 'kysely-replica-fallback/postgres';
import type { OrdersDatabase } from './orders.ts';

/** A version of an order whose commit the primary has acknowledged. */
export interface Acknowledged {
  readonly id: string;
  readonly version: number;
}

/** One with a position that was taken afterwards. */
interface Positioned extends Acknowledged {
  readonly position: string;
}

/** Orders that are updated all the time, and what is known of each of them. */
export interface VersionWriters {
  /** An order at random, with its newest version that was acknowledged. Every second one was updated just now. */
  readonly pick: () => Acknowledged;
  /** Likewise, with its newest version that a position is known for. */
  readonly pickPositioned: () => Positioned;
  /** Rejects if a writer has failed. */
  stop(): Promise<void>;
}

const ORDERS = 200;
const WRITERS = 2;
const BATCH = 5;
const PAUSE_MS = 4;

/** Adds the orders, and starts to update them. Resolves when each of them has a version with a position. */
export async function startVersionWriters(db: Kysely<OrdersDatabase>): Promise<VersionWriters> {
  const acknowledged = new Recent<Acknowledged>();
  const positioned = new Recent<Positioned>();
  const record = async (orders: readonly Acknowledged[]): Promise<void> => {
    acknowledged.add(orders);
    const position = await walPosition(db);
    positioned.add(orders.map((order) => ({ ...order, position })));
  };
  const ids = Array.from({ length: ORDERS }, (_, index) => `order-${index}`);
  const orders = ids.map((id) => ({ id, version: 1 }));
  await db.insertInto('orders').values(orders).execute();
  await record(orders);

  const ending = new AbortController();
  /** Its orders are its own, so that their versions are acknowledged in the order in which they were made. */
  const write = async (own: readonly string[]): Promise<void> => {
    for (let next = 0; !ending.signal.aborted; next = (next + BATCH) % own.length) {
      const updated = await db
        .updateTable('orders')
        .set({ version: sql`version + 1` })
        .where('id', 'in', own.slice(next, next + BATCH))
        .returning(['id', 'version'])
        .execute();
      await record(updated);
      await sleep(PAUSE_MS);
    }
  };
  const writing = Promise.all(
    Array.from({ length: WRITERS }, (_, writer) =>
      write(ids.filter((_id, index) => index % WRITERS === writer)),
    ),
  );
  writing.catch(() => {}); // heard of by who stops it
  return {
    pick: () => acknowledged.pick(),
    pickPositioned: () => positioned.pick(),
    async stop() {
      ending.abort();
      await writing;
    },
  };
}

/** The newest of each order, and those that were added last. */
class Recent<Version extends Acknowledged> {
  readonly #newest = new Map<string, Version>();
  #last: readonly Version[] = [];

  add(versions: readonly Version[]): void {
    for (const version of versions) this.#newest.set(version.id, version);
    this.#last = versions;
  }

  pick(): Version {
    const from = Math.random() < 0.5 ? this.#last : [...this.#newest.values()];
    const picked = from[Math.floor(Math.random() * from.length)];
    if (picked === undefined) throw new Error('No order was updated.');
    return picked;
  }
}
