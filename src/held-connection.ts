import { AsyncLocalStorage } from 'node:async_hooks';

/** A connection that a read holds while its query runs. */
interface HeldConnection<Client> {
  readonly client: Client;
  /** What the query got in place of the client. */
  readonly pinned: Client;
  /** What the check ran on. */
  readonly connection: object;
}

/** With those of the reads around it. */
interface Holding extends HeldConnection<unknown> {
  readonly outer: Holding | undefined;
  isOver: boolean;
}

const holdings = new AsyncLocalStorage<Holding>();
/** How many there are in the process: as long as there are none, this costs a read next to nothing. */
let held = 0;

/** Whether this code runs in the query of a read that holds a connection. */
export function isInsideOfRead(): boolean {
  return held > 0 && holdings.getStore() !== undefined;
}

/**
 * The connection of this client that a read holds in whose query this code runs. A read inside of it runs on that one: if each
 * waited for another one, and all were held by reads that wait, they would wait for ever.
 */
export function heldConnectionOf<Client>(client: Client): HeldConnection<Client> | undefined {
  if (held === 0) return undefined;
  for (let each = holdings.getStore(); each !== undefined; each = each.outer) {
    if (isOf(each, client)) return each;
  }
  return undefined;
}

function isOf<Client>(
  holding: Holding,
  client: Client,
): holding is Holding & HeldConnection<Client> {
  return !holding.isOver && (holding.client === client || holding.pinned === client);
}

/** Runs something that has a connection. */
export async function holdConnection<T>(
  connection: HeldConnection<unknown>,
  run: () => Promise<T>,
): Promise<T> {
  const holding = { ...connection, outer: holdings.getStore(), isOver: false };
  held++;
  try {
    return await holdings.run(holding, run);
  } finally {
    held--;
    holding.isOver = true;
  }
}
