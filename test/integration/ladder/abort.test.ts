import { getEventListeners } from 'node:events';
import { type AbortableQueryOptions, sql } from 'kysely';
import { attempted, withReplicaFallback } from 'kysely-replica-fallback';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Connection, connect } from '../../support/connect.ts';
import { listSleepers } from '../../support/list-sleepers.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);
await database.write(addOrder('everywhere'));

/** Nothing listens here: a read that asks this primary fails with ECONNREFUSED. */
const NOWHERE = 'postgres://127.0.0.1:1/nowhere';
const A_MINUTE = { delays: () => [60_000] };

const findSleeper = async () => (await listSleepers(database.replica.db))[0];
const wake = (pid: number) => sql`select pg_cancel_backend(${pid})`.execute(database.replica.db);

describe('a read over a replica pool of one connection', () => {
  let replica: Connection<OrdersDatabase>;
  let primary: Connection<OrdersDatabase>;

  beforeAll(async () => {
    const { connectionString } = database.cluster.replicas[0];
    replica = connect(connectionString, { max: 1, connectionTimeoutMillis: 10_000 });
    primary = connect(NOWHERE);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });
  afterAll(async () => {
    await Promise.all([replica?.end(), primary?.end()]);
  });

  const useThePool = () => findOrder(replica.db, 'everywhere').executeTakeFirstOrThrow();

  test('lets other queries have it while the read waits', async () => {
    const controller = new AbortController();
    const asked = replica.queries.length;
    const read = withReplicaFallback((db) => findOrder(db, 'nowhere').executeTakeFirst(), {
      primary: primary.db,
      replica: replica.db,
      retryMs: A_MINUTE,
      signal: controller.signal,
    });
    await vi.waitUntil(() => replica.queries.length === asked + 1, { timeout: 10_000 });

    await expect(useThePool()).resolves.toMatchObject({ servedBy: 'replica' });

    controller.abort('enough');
    await expect(read).rejects.toBe('enough');
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  });

  test('leaves nothing behind on a signal that does not abort', async () => {
    const { signal } = new AbortController();

    await withReplicaFallback(
      (db, attempt) => findOrder(db, 'everywhere').executeTakeFirst({ signal: attempt.signal }),
      { primary: primary.db, replica: replica.db, signal },
    );

    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  test.for<{
    how: string;
    handOn: (signal: AbortSignal | undefined) => AbortableQueryOptions;
    free: (pid: number) => Promise<unknown>;
  }>([
    { how: 'knows nothing of the signal', handOn: () => ({}), free: wake },
    { how: 'has the signal', handOn: (signal) => ({ signal }), free: wake },
    {
      how: 'has the signal, to be cancelled by it',
      handOn: (signal) => ({ signal, inflightQueryAbortStrategy: 'cancel query' }),
      free: async () => {},
    },
  ])(
    'rejects with the reason, without a word to the primary, when it aborts during a query that $how',
    async ({ handOn, free }) => {
      // Kysely tells the console of a query that ended after it was abandoned.
      vi.spyOn(console, 'error').mockReturnValue();
      const controller = new AbortController();
      const read = withReplicaFallback(
        (db, attempt) => sql`select pg_sleep(60)`.execute(db, handOn(attempt.signal)),
        {
          primary: primary.db,
          replica: replica.db,
          signal: controller.signal,
          isMiss: attempted(() => true),
        },
      );
      const pid = await vi.waitUntil(findSleeper, { timeout: 10_000 });
      const reason = new Error('no longer needed');

      controller.abort(reason);

      await expect(read).rejects.toBe(reason);
      await free(pid);
      await expect(useThePool()).resolves.toMatchObject({ servedBy: 'replica' });
      expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    },
  );
});
