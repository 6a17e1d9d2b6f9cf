import type { Reach } from '../catch-up/position-source.ts';

/** The last transaction of a domain: all those before it are there as well. */
interface LastTransaction {
  /** The id of the server that made it. */
  readonly server: string;
  readonly sequence: bigint;
  /** The id of the primary, where that took over and has written nothing yet: the next transaction has to be its own. */
  readonly heir?: string | undefined;
}

/** By the ids of the domains. */
export type Domains = ReadonlyMap<string, LastTransaction>;

/**
 * Whether a server that has `has` has `needs`. After a failover, the domain goes on where it was, with the id of another
 * server: a later transaction of that one does not tell whether an earlier one of this server came to be known to it.
 */
export function compareDomains(has: Domains, needs: Domains): Reach {
  let reach: Reach = 'reached';
  for (const [domain, needed] of needs) {
    const last = has.get(domain);
    if (last === undefined) return 'unknown';
    if (last.sequence < needed.sequence) reach = 'behind';
    else if (!isOfOneHistory(last, needed)) return 'unknown';
  }
  return reach;
}

function isOfOneHistory(last: LastTransaction, { server, sequence, heir }: LastTransaction) {
  if (heir !== undefined && last.sequence > sequence) {
    return last.server === heir && last.heir === undefined;
  }
  return last.server === server && (last.heir === undefined || last.heir === heir);
}

/** Of a primary of this id, which writes to this domain. */
export function withHeir(domains: Domains, domain: string, id: string): Domains {
  const last = domains.get(domain);
  if (last === undefined || last.server === id) return domains;
  return new Map(domains).set(domain, { ...last, heir: id });
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
    const [, domain, server, sequence, heir] = GTID.exec(gtid) ?? [];
    if (domain === undefined || server === undefined || sequence === undefined) return undefined;
    if ([domain, server, heir ?? 0].some((id) => Number(id) > MOST_OF_IDS)) return undefined;
    const last = { server, sequence: BigInt(sequence), heir };
    if (last.sequence > MOST_OF_SEQUENCES || domains.has(domain)) return undefined;
    domains.set(domain, last);
  }
  return domains;
}

/**
 * In the order of the domains, so that equal ones are equal as text.
 *
 * @param hasHeirs - whether with the ids of heirs, which a server does not know
 */
export function printDomains(domains: Domains, comma: string, hasHeirs: boolean): string {
  return [...domains]
    .toSorted(([one], [other]) => Number(one) - Number(other))
    .map(([domain, { server, sequence, heir }]) => {
      const suffix = hasHeirs && heir !== undefined ? `_${heir}` : '';
      return `${domain}-${server}-${sequence}${suffix}`;
    })
    .join(comma);
}

/** Beyond these, a server knows no GTID. */
const MOST_OF_IDS = 2 ** 32 - 1;
const MOST_OF_SEQUENCES = 2n ** 64n - 1n;

const GTID = /^(0|[1-9]\d{0,9})-(0|[1-9]\d{0,9})-(0|[1-9]\d{0,19})(?:_(0|[1-9]\d{0,9}))?$/;
