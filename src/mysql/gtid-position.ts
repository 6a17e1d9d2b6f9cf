import type { Reach } from '../catch-up/position-source.ts';
import { InvalidPositionError } from '../errors.ts';
import { compareDomains, type Domains, parseDomains, printDomains } from './mariadb-gtids.ts';
import { compareSets, type GtidSets, parseSets, printSets } from './mysql-gtids.ts';

/** Global transaction identifiers: MariaDB has the last one of each domain, MySQL all of each server. */
export type Gtids =
  | { readonly brand: 'mariadb'; readonly domains: Domains }
  | { readonly brand: 'mysql'; readonly sets: GtidSets };

/** How far a server is. */
export interface GtidPosition {
  readonly counted: Gtids;
  /** All that it may show, which can be more than it counts. `undefined` when it does not tell. */
  readonly shown: Gtids | undefined;
}

/** Whether a server that has replayed `replayed` has `position`. */
export function compareGtidPositions(replayed: string, position: string): Reach {
  const { counted: has } = parsePosition(replayed);
  const { shown: needs } = parsePosition(position);
  if (has.brand === 'mariadb') {
    return needs?.brand === 'mariadb' ? compareDomains(has.domains, needs.domains) : 'unknown';
  }
  return needs?.brand === 'mysql' ? compareSets(has.sets, needs.sets) : 'unknown';
}

/** What it takes to have a position, as a server writes it. `undefined` when the position does not tell. */
export function neededFor(position: string): { brand: Gtids['brand']; text: string } | undefined {
  const { shown } = parsePosition(position);
  // Printed anew, so that nothing which a client has sent gets into a statement.
  return shown && { brand: shown.brand, text: printGtids(shown, ':', ',') };
}

/** As text that may stand in a URL or a cookie. `undefined` when that would be too long. */
export function printPosition({ counted, shown }: GtidPosition): string | undefined {
  const has = printGtids(counted, '.', '.');
  const shows = shown === undefined ? '' : printGtids(shown, '.', '.');
  const whole = has === shows ? has : `${has}~${shows}`;
  // Rather than none, one that does not tell what it shows.
  return [whole, `${has}~`].find(({ length }) => length <= MOST_CHARACTERS);
}

function parsePosition(position: string): GtidPosition {
  const [has = '', shows = has, ...others] =
    position.length > MOST_CHARACTERS ? [] : position.split('~');
  const counted = parseGtids(has, '.');
  const shown = parseGtids(shows, '.');
  if (counted === undefined || others.length > 0 || (shown === undefined && shows !== '')) {
    throw new InvalidPositionError(position);
  }
  return { counted, shown };
}

/** `undefined` for what is none. */
export function parseGtids(text: string, separator: string | RegExp): Gtids | undefined {
  const parts = text.split(separator);
  const domains = parseDomains(parts);
  if (domains !== undefined) return { brand: 'mariadb', domains };
  const sets = parseSets(parts);
  return sets && { brand: 'mysql', sets };
}

function printGtids(gtids: Gtids, colon: string, comma: string): string {
  return gtids.brand === 'mariadb'
    ? printDomains(gtids.domains, comma, comma === '.')
    : printSets(gtids.sets, colon, comma);
}

/** What fits into a header or a cookie. A set is as long as it has gaps: without any, it has some 50 characters a server. */
const MOST_CHARACTERS = 4_000;
