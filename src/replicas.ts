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

/** The replicas that a read did not start on, each of them once, in random order. */
export function otherReplicas<Client>(
  { primary, replica }: Clients<Client>,
  first: Client,
): Client[] {
  if (!isList(replica)) return [];
  const others: Client[] = [];
  for (const client of new Set(replica)) {
    if (client === primary || client === first) continue;
    others.splice(randomIndex(others.length + 1), 0, client);
  }
  return others;
}

/** Each replica once. */
export function allReplicas<Client>({ primary, replica }: Clients<Client>): Client[] {
  const replicas = isList(replica) ? replica : replica === undefined ? [] : [replica];
  return [...new Set(replicas)].filter((client) => client !== primary);
}

function randomIndex(length: number): number {
  return Math.floor(Math.random() * length);
}

function isList<Client>(replica: Client | readonly Client[]): replica is readonly Client[] {
  return Array.isArray(replica);
}
