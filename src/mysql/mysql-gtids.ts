import type { Reach } from '../catch-up/position-source.ts';

/** Transactions without a gap. */
interface Interval {
  readonly first: bigint;
  readonly last: bigint;
}

/** In ascending order and apart from each other, by the server that made them: its UUID, and from MySQL 8.3 on a tag. */
export type GtidSets = ReadonlyMap<string, readonly Interval[]>;

/** Whether a server that has `has` has `needs`. Two that have no server in common are of two clusters. */
export function compareSets(has: GtidSets, needs: GtidSets): Reach {
  let isBehind = false;
  let isRelated = false;
  for (const [source, intervals] of needs) {
    const own = has.get(source);
    isRelated ||= own !== undefined;
    isBehind ||= own === undefined || !includes(own, intervals);
  }
  if (!isBehind) return 'reached';
  return isRelated ? 'behind' : 'unknown';
}

function includes(own: readonly Interval[], intervals: readonly Interval[]): boolean {
  let index = 0;
  return intervals.every(({ first, last }) => {
    while (index < own.length && (own[index]?.last ?? 0n) < last) index++;
    const around = own[index];
    return around !== undefined && around.first <= first;
  });
}

export function unionOf(one: GtidSets, other: GtidSets): GtidSets {
  const union = new Map(one);
  for (const [source, intervals] of other) {
    union.set(source, normalized([...(one.get(source) ?? []), ...intervals]));
  }
  return union;
}

/** `undefined` for what is none. */
export function parseSets(parts: readonly string[]): GtidSets | undefined {
  if (!SETS.test(parts.map(kindOf).join(''))) return undefined;
  const sets = new Map<string, Interval[]>();
  let uuid = '';
  let source = '';
  for (const part of parts) {
    const [, first, last = first] = INTERVAL.exec(part) ?? [];
    if (first !== undefined && last !== undefined) {
      const intervals = sets.get(source) ?? [];
      intervals.push({ first: BigInt(first), last: BigInt(last) });
      sets.set(source, intervals);
    } else {
      if (UUID.test(part)) uuid = part;
      source = part === uuid ? uuid : `${uuid}:${part}`;
    }
  }
  const isOne = ({ first, last }: Interval) => first <= last && last <= LAST;
  if (![...sets.values()].flat().every(isOne)) return undefined;
  for (const [each, intervals] of sets) sets.set(each, normalized(intervals));
  return sets;
}

function kindOf(part: string): string {
  if (UUID.test(part)) return 'U';
  if (TAG.test(part)) return 'T';
  return INTERVAL.test(part) ? 'I' : '?';
}

/** In the order of the sources, so that equal ones are equal as text. */
export function printSets(sets: GtidSets, colon: string, comma: string): string {
  return [...sets]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([source, intervals]) => {
      const ranges = intervals.map(({ first, last }) =>
        first === last ? `${first}` : `${first}-${last}`,
      );
      return [...source.split(':'), ...ranges].join(colon);
    })
    .join(comma);
}

function normalized(intervals: readonly Interval[]): Interval[] {
  const apart: Interval[] = [];
  for (const next of intervals.toSorted((one, other) => (one.first < other.first ? -1 : 1))) {
    const before = apart.at(-1);
    if (before === undefined || before.last + 1n < next.first) apart.push(next);
    else if (before.last < next.last) apart.splice(-1, 1, { ...before, last: next.last });
  }
  return apart;
}

/** Beyond it, a server knows no transaction. */
const LAST = 2n ** 63n - 2n;

/** Each has a UUID, its intervals, and those of its tags. */
const SETS = /^(?:UT?I+(?:TI+)*)+$/;
const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/;
const INTERVAL = /^([1-9]\d{0,18})(?:-([1-9]\d{0,18}))?$/;
const TAG = /^[a-z_][a-z_\d]{0,31}$/;
