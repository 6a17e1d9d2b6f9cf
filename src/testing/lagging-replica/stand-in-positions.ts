import type { Kysely, Transaction } from 'kysely';
import { createCatchUp } from '../../catch-up/create-catch-up.ts';
import type { Reach } from '../../catch-up/position-source.ts';
import { explainPin } from '../../databases/sql-client.ts';
import { ReplicaBehindError } from '../../errors.ts';
import type { CatchUp } from '../../informed-read.ts';
import { compareGtidPositions } from '../../mysql/gtid-position.ts';
import { compareWalPositions } from '../../postgres/wal-position.ts';
import { lagsOf } from './lag.ts';

/** How many positions were taken. All stand-ins share them, because one `catchUp` is for all replicas of a read. */
let taken = 0;

/** For a lag to remember when it begins: what was written by then is what it shows. */
export function countPositions(): number {
  return taken;
}

/** What the option `catchUp` is on stand-ins: where they are is known without asking a database. */
export function standInPositions<DB>(): CatchUp<Kysely<DB>> {
  return createCatchUp<Kysely<DB>>({
    position: async () => positionAt(++taken),
    replayed: async (replica) => positionAt(replayedBy(replica)),
    compare,
    async runAt(replica, position, query) {
      const run = async (pinned: Kysely<DB>) => {
        const reach =
          position === undefined ? 'reached' : compare(positionAt(replayedBy(replica)), position);
        if (reach !== 'reached') throw new ReplicaBehindError(reach);
        return query(pinned);
      };
      // As behind `walCatchUp()`, so that a query which starts a transaction of its own fails here, too.
      try {
        return await (isTransaction(replica) ? run(replica) : replica.transaction().execute(run));
      } catch (error) {
        throw explainPin(error);
      }
    },
  });
}

/** Of several lags, the one that is furthest behind. A client that does not lag has all there is. */
function replayedBy<DB>(client: Kysely<DB>): number {
  const lags = lagsOf(client).filter(({ shows }) => shows === 'lagging');
  return Math.min(taken, ...lags.map(({ begunAfter }) => begunAfter));
}

function isTransaction<DB>(client: Kysely<DB>): client is Transaction<DB> {
  return client.isTransaction;
}

/** They look like those of PostgreSQL, for code that expects that. */
function positionAt(count: number): string {
  return `${OWN}${count.toString(16)}`;
}

const OWN = '000000000000-';

function compare(replayed: string, position: string): Reach {
  return numberOf(replayed) >= numberOf(position) ? 'reached' : 'behind';
}

/** One from elsewhere, by `walPosition()` or `gtidPosition()`, counts as taken when it is first seen. */
function numberOf(position: string): number {
  assertPosition(position);
  if (position.startsWith(OWN)) return Number.parseInt(position.slice(OWN.length), 16);
  const number = seen.get(position) ?? ++taken;
  seen.set(position, number);
  return number;
}

function assertPosition(position: string): void {
  try {
    compareWalPositions(position, position);
  } catch {
    compareGtidPositions(position, position);
  }
}

const seen = new Map<string, number>();
