import type { Kysely } from 'kysely';
import type { CatchUp } from '../../informed-read.ts';
import { freezeTables, type FrozenTables } from './frozen-tables.ts';
import { hideTable } from './hide-table.ts';
import { Lag, lagPlugin, type LaggingReplicaAnswer } from './lag.ts';
import { type LaggingReplicaOptions, resolveLag } from './lagging-replica-options.ts';
import { countPositions, standInPositions } from './stand-in-positions.ts';

/** A stand-in for a replica, some tables of which lag. */
export interface LaggingReplica<DB> extends AsyncDisposable {
  /** For `replica`: on the connections of the client that it was made from. The tables lag, and writes are refused. */
  readonly db: Kysely<DB>;
  /**
   * For `catchUp`, in place of `walCatchUp()`, on any database. All that was written before the lag began is replayed, and
   * all else when the lag is over. It asks no database for a position, and takes those of `walPosition()` and
   * `gtidPosition()`, too, which count as taken when a read first brings them. Any other one is an `InvalidPositionError`.
   *
   * An attempt that is refused as behind is no answer, so `catchUpAfterAttempts` does not count it.
   */
  readonly positions: CatchUp<Kysely<DB>>;
  /**
   * What the answers to queries of the tables showed since the lag began, oldest first: `['lagging', 'caught_up']`. A
   * query that failed has no answer. A stream has one, with its first rows.
   */
  readonly answers: readonly LaggingReplicaAnswer[];
  /**
   * Whether a query has read the tables since the lag began. A test of lag in which it is `false` proves nothing: the
   * code did not ask the replica, as in a bypass, or not in a way in which the stand-in can lag.
   */
  wasRead(): boolean;
  /** From here on the tables are empty, until the lag is over again. That is how it begins. */
  hide(): void;
  /**
   * From when this resolves, the tables show the rows that they have now, until the lag is over again: rows that are
   * added are missing, and others are stale. Copies the tables, so that they must not be written to meanwhile, and
   * `release()` is needed. Takes `create table … as select`, as PostgreSQL, SQLite and MySQL have it.
   *
   * A copy has the rows alone: all that the client's role sees now, without row-level security, grants, keys and indexes.
   * So it may show rows that a policy hides. Test policies on real servers.
   *
   * @throws the database's error when a copy cannot be made; then the lag is what it was
   */
  freeze(): Promise<void>;
  /** From here on the tables are as they are. */
  catchUp(): void;
  /** Catches up, and drops the copies of `freeze()`. Without one there is nothing to drop. Ends no connection. */
  release(): Promise<void>;
}

/**
 * A stand-in for a replica that lags, for fast tests of code that reads with `withReplicaFallback`, over any Kysely
 * instance; the primary's will do. It rewrites queries: where one reads a table that lags, it reads no row instead, or
 * a frozen copy. So joins, subqueries, aggregates and common table expressions come out as they would on a replica.
 *
 * The lag begins at once, and with empty tables. It is over when `catchUp()` is called, or when `catchUpAfterAttempts`
 * or `catchUpAfterMs` say so, whichever is first; `hide()` and `freeze()` begin another one.
 *
 * What it cannot do is left to `startReplicationCluster`:
 *
 * - It does not see into raw SQL. Give it `${sql.table('orders')} as o`; a plain `from orders` is an error, and of more
 *   intricate SQL only `wasRead()` tells. Nor does it see into views and functions, nor a query that was compiled on
 *   another client.
 * - A table is known by the name that queries write. One in another schema is another one: give it
 *   `client.withSchema(…)`, or the table as `'schema.table'`. `withoutPlugins()` takes the lag away.
 * - It refuses writes, DDL and locks like `for update`, with an error whose `code` is `25006`, as a standby does. Of raw
 *   SQL it looks at the first word only, after comments, and into functions not at all. It refuses any `do`.
 * - What lags is no base table, so PostgreSQL does not let the key of a `group by` stand for the other columns of it.
 *
 * @throws InvalidOptionError for an argument that is not what it has to be
 *
 * @example
 * ```ts
 * import { Kysely, PostgresDialect } from 'kysely';
 * import { withReplicaFallback } from 'kysely-replica-fallback';
 * import { laggingReplica } from 'kysely-replica-fallback/testing';
 * import { Pool } from 'pg';
 *
 * interface Database {
 *   orders: { id: string; status: string };
 * }
 *
 * const pool = new Pool({ connectionString: process.env.DATABASE_URL });
 * const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
 * await db.insertInto('orders').values({ id: 'o1', status: 'paid' }).execute();
 *
 * const replica = laggingReplica(db, { tables: ['orders'], catchUpAfterAttempts: 1 });
 * const order = await withReplicaFallback(
 *   (client) => client.selectFrom('orders').selectAll().where('id', '=', 'o1').executeTakeFirst(),
 *   { primary: db, replica: replica.db },
 * );
 * console.log(order); // { id: 'o1', status: 'paid' }
 * console.log(replica.answers); // ['lagging', 'caught_up']
 * ```
 */
export function laggingReplica<DB>(
  client: Kysely<DB>,
  options: LaggingReplicaOptions<NoInfer<DB>>,
): LaggingReplica<DB> {
  const { tables, end } = resolveLag(client, options);
  const hidden = tables.map((table) => ({ table, source: hideTable(table) }));
  let lag = new Lag(hidden, end, countPositions());
  let frozen: FrozenTables | undefined;

  const thaw = async (next?: FrozenTables) => {
    const last = frozen;
    frozen = next;
    await last?.[Symbol.asyncDispose]();
  };
  let turn: Promise<void> = Promise.resolve();
  /** So that none of them forgets the copies that another one is still making. */
  const inTurn = (change: () => Promise<void>): Promise<void> => {
    turn = turn.then(change, change);
    return turn;
  };
  const release = () =>
    inTurn(() => {
      lag.catchUp();
      return thaw();
    });

  return {
    db: client.withPlugin(lagPlugin(() => lag)),
    positions: standInPositions(),
    get answers() {
      return lag.answers;
    },
    wasRead: () => lag.wasRead,
    hide() {
      lag = new Lag(hidden, end, countPositions());
    },
    freeze: () =>
      inTurn(async () => {
        const next = await freezeTables(client, tables);
        lag = new Lag(next.substitutes, end, countPositions());
        await thaw(next);
      }),
    catchUp: () => lag.catchUp(),
    release,
    [Symbol.asyncDispose]: release,
  };
}
