/** What a user does at some moment: reads, or writes what is read soon after. */
export type Event = Write | Read;

interface Write extends Step {
  readonly kind: 'insert' | 'update';
  /** Who reads what was written, and how many milliseconds later. */
  readonly reader: number;
  readonly followMs: number;
}

interface Read extends Step {
  /** Of a row that has not changed for long, or of one that there is none of. */
  readonly kind: 'old' | 'bogus';
}

interface Step {
  /** Milliseconds after the start. */
  readonly at: number;
  readonly user: number;
  readonly key: number;
}

/** How many of each there are in a second. */
const PER_SECOND = { insert: 20, update: 10, old: 30, bogus: 1.2 };

const USERS = 100;
/** Those that are updated come first, and those that are only read then. */
const UPDATED = 50;
export const OLD = 1_000;

/** The same events for the same seed. */
export function planTraffic(seconds: number, random: () => number): Event[] {
  const below = (count: number) => Math.floor(random() * count);
  let inserted = 0;
  const planOne = (kind: Event['kind']): Event => {
    const at = random() * seconds * 1000;
    const user = below(USERS);
    if (kind === 'old') return { kind, at, user, key: UPDATED + below(OLD - UPDATED) };
    if (kind === 'bogus') return { kind, at, user, key: below(1_000_000) };
    // Half of what follows a write is by somebody else: another user, or a job of a queue.
    const reader = random() < 0.5 ? user : below(USERS);
    const key = kind === 'insert' ? inserted++ : below(UPDATED);
    return { kind, at, user, key, reader, followMs: 1 + 9 * random() };
  };
  const kinds = ['insert', 'update', 'old', 'bogus'] as const;
  return kinds
    .flatMap((kind) =>
      Array.from({ length: Math.round(PER_SECOND[kind] * seconds) }, () => planOne(kind)),
    )
    .toSorted((one, other) => one.at - other.at);
}

/** Numbers in [0, 1), the same for the same seed: mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
