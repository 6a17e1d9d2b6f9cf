import { invalidOption } from './errors.ts';
import type { ReplicaFallbackOptions } from './options.ts';

type Clients<Client> = Pick<
  ReplicaFallbackOptions<Client, never>,
  'primary' | 'replica' | 'pickReplica'
>;

/** The replica that a read starts on. `undefined` when there is none but the primary. */
export function firstReplica<Client>(clients: Clients<Client>): Client | undefined {
  const { primary, replica } = clients;
  if (!isList(replica)) return replica === primary ? undefined : replica;
  return pickOne(listedReplicas(clients), clients);
}

/** One of these: the caller's choice, or else at random, so that one that is listed twice is picked twice as often. */
function pickOne<Client>(
  replicas: readonly Client[],
  { pickReplica }: Clients<Client>,
): Client | undefined {
  if (replicas.length === 0) return undefined;
  const picked = pickReplica?.(replicas);
  if (picked === undefined) return replicas[Math.floor(Math.random() * replicas.length)];
  if (!replicas.includes(picked)) throw invalidOption('pickReplica', PICKS_ONE, picked);
  return picked;
}

const PICKS_ONE = 'a function that returns one of the replicas that it is given';

/** Each replica as often as it is listed. */
export function listedReplicas<Client>({ primary, replica }: Clients<Client>): Client[] {
  const replicas = isList(replica) ? replica : replica === undefined ? [] : [replica];
  return replicas.filter((client) => client !== primary);
}

/** Whose turn it is among the replicas of a read. */
export class ReplicaTurns<Client> {
  /** The one that was asked last. */
  current: Client;
  readonly #clients: Clients<Client>;
  /** Those that were not asked yet. */
  #fresh: readonly Client[];
  /** Those that have not failed, each once. */
  sound: readonly Client[];

  constructor(clients: Clients<Client>, first: Client) {
    this.current = first;
    this.#clients = clients;
    const listed = listedReplicas(clients);
    this.sound = [...new Set(listed)];
    this.#fresh = listed.filter((client) => client !== first);
  }

  get hasFresh(): boolean {
    return this.#fresh.length > 0;
  }

  /** The turn of one that was not asked yet, while there is one, or else of the same one again. */
  next(): Client {
    return pickOne(this.#fresh, this.#clients) ?? this.current;
  }

  take(replica: Client): void {
    this.current = replica;
    this.#fresh = this.#fresh.filter((other) => other !== replica);
  }

  /** The current one could not answer. */
  fail(): void {
    this.sound = this.sound.filter((other) => other !== this.current);
  }
}

function isList<Client>(replica: Client | readonly Client[]): replica is readonly Client[] {
  return Array.isArray(replica);
}
