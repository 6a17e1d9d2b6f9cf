import { AsyncLocalStorage } from 'node:async_hooks';
import { versionWide } from './process-wide.ts';

/** A connection that a read holds while its query runs. */
export interface HeldConnection<Client> {
  readonly client: Client;
  /** What the query got in place of the client. */
  readonly pinned: Client;
  /** Resolves when nobody has it for longer than a statement, where one can have it so: for a transaction, or a stream. */
  readonly turn: () => Promise<unknown> | undefined;
  /** Whether an error says that the transaction on it runs nothing any more. */
  readonly isFailed: (error: unknown) => boolean;
}

/** With those of the reads around it. */
interface Holding extends Omit<HeldConnection<unknown>, 'client'> {
  /** What stands for the connection in place of a client of the same database. `undefined` for any other client. */
  readonly pinnedFor: (client: unknown) => unknown;
  readonly outer: Holding | undefined;
  /** Attempts of reads in its query that run on it. */
  readonly guests: Set<Promise<unknown>>;
  isOver: boolean;
}

/** Of all copies of this package. As long as none are `held`, this costs a read next to nothing. */
const kept = versionWide('held connections', () => ({
  holdings: new AsyncLocalStorage<Holding>(),
  held: 0,
}));

/** Whether this code runs in the query of a read that holds a connection. */
export function isInsideOfRead(): boolean {
  return kept.held > 0 && kept.holdings.getStore() !== undefined;
}

/**
 * The connection of this client that a read holds in whose query this code runs. A read inside of it runs on that one: if each
 * waited for another one, and all were held by reads that wait, they would wait for ever.
 */
export function heldConnectionOf<Client>(
  client: Client,
): (HeldConnection<Client> & Holding) | undefined {
  if (kept.held === 0) return undefined;
  for (let each = kept.holdings.getStore(); each !== undefined; each = each.outer) {
    if (each.isOver) continue;
    const pinned = client === each.pinned ? client : each.pinnedFor(client);
    const found = { ...each, client, pinned };
    if (isFor(found)) return found;
  }
  return undefined;
}

/** What is pinned for a client is of its type. */
function isFor<Client>(
  found: Holding & { readonly client: Client },
): found is Holding & HeldConnection<Client> {
  return found.pinned !== undefined;
}

/** Runs something that has a connection. It goes back when those have ended, too, who came in meanwhile: they need not be awaited. */
export async function holdConnection<T>(
  { pinned, pinnedFor, turn, isFailed }: Omit<Holding, 'outer' | 'guests' | 'isOver'>,
  run: () => Promise<T>,
): Promise<T> {
  const outer = kept.holdings.getStore();
  const guests = new Set<Promise<unknown>>();
  const holding = { pinned, pinnedFor, turn, isFailed, outer, guests, isOver: false };
  kept.held++;
  try {
    return await kept.holdings.run(holding, run);
  } finally {
    holding.isOver = true;
    await Promise.allSettled(guests);
    kept.held--;
  }
}

/** Runs something on a connection that the read around it holds. */
export async function shareConnection<T>(held: Holding, run: () => Promise<T>): Promise<T> {
  const answer = holdConnection(held, run);
  held.guests.add(answer);
  try {
    return await answer;
  } finally {
    held.guests.delete(answer);
  }
}
