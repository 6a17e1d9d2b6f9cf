import type { ReplicaFallbackOptions } from './options.ts';

type Clients<Client> = Pick<ReplicaFallbackOptions<Client, never>, 'primary' | 'replica'>;

/**
 * The replica that a read starts on, at random: one that stands in the list twice is picked twice as often. `undefined`
 * when there is none but the primary.
 */
export function pickReplica<Client>({ primary, replica }: Clients<Client>): Client | undefined {
  if (isList(replica)) return pickOne(replica, primary);
  return replica === primary ? undefined : replica;
}

function pickOne<Client>(replica: readonly Client[], primary: Client): Client | undefined {
  const replicas = replica.filter((client) => client !== primary);
  return replicas[randomIndex(replicas.length)];
}

/** Each replica once. */
function allReplicas<Client>({ primary, replica }: Clients<Client>): Client[] {
  const replicas = isList(replica) ? replica : replica === undefined ? [] : [replica];
  return [...new Set(replicas)].filter((client) => client !== primary);
}

/** Whose turn it is among the replicas of a read. */
export class ReplicaTurns<Client> {
  /** The one that was asked last. */
  current: Client;
  /** Those that were not asked yet, each of them once, in random order. */
  #fresh: Client[] = [];
  /** Those that have not failed. */
  sound: readonly Client[];

  constructor(clients: Clients<Client>, first: Client) {
    this.current = first;
    this.sound = allReplicas(clients);
    for (const client of this.sound) {
      if (client !== first) this.#fresh.splice(randomIndex(this.#fresh.length + 1), 0, client);
    }
  }

  get hasFresh(): boolean {
    return this.#fresh.length > 0;
  }

  /** The turn of one that was not asked yet, while there is one, or else of the same one again. */
  next(): Client {
    return this.#fresh.at(-1) ?? this.current;
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

function randomIndex(length: number): number {
  return Math.floor(Math.random() * length);
}

function isList<Client>(replica: Client | readonly Client[]): replica is readonly Client[] {
  return Array.isArray(replica);
}
