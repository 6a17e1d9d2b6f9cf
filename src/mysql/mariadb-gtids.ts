import type { Reach } from '../catch-up/position-source.ts';

/** The last transaction of a domain: all those before it are there as well. */
interface LastTransaction {
  /** The id of the server that made it. */
  readonly server: string;
  readonly sequence: bigint;
}

/** By the ids of the domains. */
export type Domains = ReadonlyMap<string, LastTransaction>;

/**
 * Whether a server that has `has` has `needs`. After a failover, the domain goes on where it was, with the id of another
 * server: a later transaction of that one does not tell whether an earlier one of this server came to be known to it.
 */
export function compareDomains(has: Domains, needs: Domains): Reach {
  let reach: Reach = 'reached';
  for (const [domain, { server, sequence }] of needs) {
    const last = has.get(domain);
    if (last === undefined) return 'unknown';
    if (last.sequence < sequence) reach = 'behind';
    else if (last.server !== server) return 'unknown';
  }
  return reach;
}

/** The domains of both, each as far as it is in either. */
export function latestOf(one: Domains, other: Domains): Domains {
  const latest = new Map(one);
  for (const [domain, last] of other) {
    if (last.sequence > (latest.get(domain)?.sequence ?? -1n)) latest.set(domain, last);
  }
  return latest;
}

/** `undefined` for what is none. */
export function parseDomains(gtids: readonly string[]): Domains | undefined {
  const domains = new Map<string, LastTransaction>();
  for (const gtid of gtids) {
    const [, domain, server, sequence] = GTID.exec(gtid) ?? [];
    if (domain === undefined || server === undefined || sequence === undefined) return undefined;
    if (Number(domain) > MOST_OF_IDS || Number(server) > MOST_OF_IDS) return undefined;
    const last = { server, sequence: BigInt(sequence) };
    if (last.sequence > MOST_OF_SEQUENCES || domains.has(domain)) return undefined;
    domains.set(domain, last);
  }
  return domains;
}

/** In the order of the domains, so that equal ones are equal as text. */
export function printDomains(domains: Domains, comma: string): string {
  return [...domains]
    .toSorted(([one], [other]) => Number(one) - Number(other))
    .map(([domain, { server, sequence }]) => `${domain}-${server}-${sequence}`)
    .join(comma);
}

/** Beyond these, a server knows no GTID. */
const MOST_OF_IDS = 2 ** 32 - 1;
const MOST_OF_SEQUENCES = 2n ** 64n - 1n;

const GTID = /^(0|[1-9]\d{0,9})-(0|[1-9]\d{0,9})-(0|[1-9]\d{0,19})$/;
