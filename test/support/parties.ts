import { type CatchUp, InvalidPositionError, ReplicaBehindError } from 'kysely-replica-fallback';
import { createCatchUp, type Reach } from 'kysely-replica-fallback/catch-up';

/** What a server shows last: the number of the entry in its log, and the timeline on which it was written. */
export interface Shown {
  readonly timeline: number;
  readonly entry: number;
}

/** A server whose log has so many entries. Up to the fork, those of both timelines are the same. */
export interface Party {
  readonly timeline: number;
  readonly entries: () => number;
  /** Whether it says where it is, by now. */
  readonly tells?: () => boolean;
}

/** A pool: it leads to one server, and may be moved to another. */
export interface Pool {
  at: Party;
}

/** How servers answer. By default, all at once. */
export interface Manners {
  /** Asks the primary for its position. */
  readonly position?: (answer: string) => Promise<string>;
  /** Asks a replica for its position. */
  readonly look?: (answer: string | undefined) => Promise<string | undefined>;
  /** Waits on the replica for a position. */
  readonly stay?: (isThere: () => boolean, timeoutMs: number) => Promise<Reach>;
}

/** One of several catch-ups for the same servers: none knows the positions of another. */
export function catchUpOf(name: string, manners: Manners = {}): CatchUp<Pool> {
  const positionOf = ({ at }: Pool) => `${name}-${at.timeline}-${at.entries()}`;
  const parse = (position: string) => {
    const [by, timeline, entries] = position.split('-');
    if (by !== name) throw new InvalidPositionError(position);
    return { timeline, entries: Number(entries) };
  };
  const compare = (replayed: string, position: string): Reach => {
    const [has, needs] = [parse(replayed), parse(position)];
    if (has.timeline !== needs.timeline) return 'unknown';
    return has.entries >= needs.entries ? 'reached' : 'behind';
  };
  const told = (pool: Pool) => ((pool.at.tells?.() ?? true) ? positionOf(pool) : undefined);
  const { position, look, stay } = manners;
  return createCatchUp<Pool>({
    position: async (primary) => position?.(positionOf(primary)) ?? positionOf(primary),
    replayed: async (replica) => (look === undefined ? told(replica) : look(told(replica))),
    whenReplayed: (replica, target, timeoutMs) =>
      stay?.(() => compare(told(replica) ?? target, target) === 'reached', timeoutMs),
    compare,
    async runAt(replica, target, query) {
      const replayed = told(replica);
      const reach = replayed === undefined ? 'unknown' : compare(replayed, target ?? replayed);
      if (target !== undefined && reach !== 'reached') throw new ReplicaBehindError(reach);
      return query(replica);
    },
  });
}

/** A position as `catchUpOf(name)` gives it. */
export function positionAt(name: string, { timeline, entry }: Shown): string {
  return `${name}-${timeline}-${entry}`;
}
