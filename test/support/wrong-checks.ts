import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Kysely,
  type KyselyPlugin,
  type PluginTransformResultArgs,
  SelectionNode,
  SelectQueryNode,
  sql,
} from 'kysely';
import { type CatchUp, type PinnedQuery, ReplicaBehindError } from 'kysely-replica-fallback';
import { createCatchUp } from 'kysely-replica-fallback/catch-up';
import { walCatchUp } from 'kysely-replica-fallback/postgres';
import type { OrdersDatabase } from './orders.ts';
import { walSource } from './wal-source.ts';

/** Checks that look right, and let older answers through. */

type WrongCatchUp = CatchUp<Kysely<OrdersDatabase>>;

const wal = walSource();

/** The check is taken out. */
export const unchecked: WrongCatchUp = checkedBy((replica, _position, query) => query(replica));

/** Check and query go to the pool one after the other, and so to any two of its connections. */
export const onTwoConnections: WrongCatchUp = checkedBy(async (replica, position, query) => {
  assertReached(await wal.replayed(replica), position);
  return query(replica);
});

/** Check and query share a connection, which behind a transaction-mode pooler is no server's. */
export const onOneConnection: WrongCatchUp = walCatchUp({ pin: 'connection' });

/** The check's answer is newer than the snapshot of the transaction, which the first look at the replica took. */
export const atRepeatableRead: WrongCatchUp = checkedBy((replica, position, query) =>
  replica
    .transaction()
    .setAccessMode('read only')
    .setIsolationLevel('repeatable read')
    .execute(async (transaction) => {
      let replayed = await wal.replayed(transaction);
      for (let look = 1; look < 8 && isBehind(replayed, position); look++) {
        await sleep(5);
        replayed = await wal.replayed(transaction);
      }
      assertReached(replayed, position);
      return query(transaction);
    }),
);

/** The check is part of the query, whose snapshot is older than the check's answer: by 30 ms, as in any slow query. */
export const insideTheStatement: WrongCatchUp = checkedBy((replica, position, query) =>
  query(replica.withPlugin(new CheckInside(position))),
);

type RunAt = <T>(
  replica: Kysely<OrdersDatabase>,
  position: string,
  query: PinnedQuery<Kysely<OrdersDatabase>, T>,
) => Promise<T>;

/** `walCatchUp()`, but for how it checks. */
function checkedBy(runAt: RunAt): WrongCatchUp {
  return createCatchUp<Kysely<OrdersDatabase>>({
    ...wal,
    runAt: (replica, position = '', query) => runAt(replica, position, query),
  });
}

class CheckInside implements KyselyPlugin {
  readonly #position: string;
  readonly #timeline: string;

  constructor(position: string) {
    this.#position = position;
    this.#timeline = position.slice(0, position.indexOf('-'));
  }

  transformQuery({ node }: Parameters<KyselyPlugin['transformQuery']>[0]) {
    const replayed = sql<string>`
      (select to_hex((pg_last_wal_replay_lsn() - '0/0')::bigint) from pg_sleep(0.03))`;
    const selection = SelectionNode.create(replayed.as('replayed').toOperationNode());
    return SelectQueryNode.is(node) ? SelectQueryNode.cloneWithSelections(node, [selection]) : node;
  }

  async transformResult({ result }: PluginTransformResultArgs) {
    for (const { replayed } of result.rows) {
      assertReached(`${this.#timeline}-${String(replayed)}`, this.#position);
    }
    return result;
  }
}

function isBehind(replayed: string | undefined, position: string): boolean {
  return replayed === undefined || wal.compare(replayed, position) === 'behind';
}

function assertReached(replayed: string | undefined, position: string): void {
  if (isBehind(replayed, position)) throw new ReplicaBehindError('behind');
}
