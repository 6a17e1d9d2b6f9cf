import { type Kysely, sql } from 'kysely';
import type { Outcome, ReadReport } from 'kysely-replica-fallback';
import type { OrdersDatabase } from './orders.ts';
import type { Acknowledged } from './version-writers.ts';

/** An order's version, and the standby that gave it. `null` when that was the primary. */
export interface SeenVersion {
  readonly version: number;
  readonly standby: string | null;
}

/** What came of many reads. */
export interface Tally {
  readonly reads: number;
  /** How many answers were older than they had to be. */
  readonly older: number;
  readonly outcomes: Partial<Record<Outcome, number>>;
  /** How many answers came from each standby. */
  readonly standbys: Record<string, number>;
  readonly perSecond: number;
}

interface Reading<Wanted extends Acknowledged> {
  readonly reads: number;
  /** How many older answers are enough to stop. Default is to go on. */
  readonly enough?: number;
  /** Says what a read has to see, when it begins. */
  readonly pick: () => Wanted;
  readonly read: (
    query: (db: Kysely<OrdersDatabase>) => Promise<SeenVersion | undefined>,
    wanted: Wanted,
    onOutcome: (report: ReadReport) => void,
  ) => Promise<SeenVersion | undefined>;
}

const READERS = 32;

/** Reads orders, many at once, and looks for older answers. */
export async function readVersions<Wanted extends Acknowledged>({
  reads,
  enough = Infinity,
  pick,
  read,
}: Reading<Wanted>): Promise<Tally> {
  const outcomes: Tally['outcomes'] = {};
  const standbys: Tally['standbys'] = {};
  const onOutcome = ({ outcome }: ReadReport) => {
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  };
  let begun = 0;
  let older = 0;
  const readOn = async (): Promise<void> => {
    while (begun < reads && older < enough) {
      begun++;
      const wanted = pick();
      const seen = await read((db) => findVersion(db, wanted.id), wanted, onOutcome);
      if (seen === undefined || seen.version < wanted.version) older++;
      const standby = seen?.standby;
      if (standby) standbys[standby] = (standbys[standby] ?? 0) + 1;
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: READERS }, readOn));
  const seconds = (performance.now() - startedAt) / 1000;
  return { reads: begun, older, outcomes, standbys, perSecond: Math.round(begun / seconds) };
}

export function findVersion(
  db: Kysely<OrdersDatabase>,
  id: string,
): Promise<SeenVersion | undefined> {
  const standby = sql<string | null>`
    case when pg_is_in_recovery() then host(inet_server_addr()) || ':' || inet_server_port() end`;
  return db
    .selectFrom('orders')
    .select(['version', standby.as('standby')])
    .where('id', '=', id)
    .executeTakeFirst();
}
