import { inspect } from 'node:util';
import type { Kysely } from 'kysely';
import { createReplicaFallback } from 'kysely-replica-fallback';
import { createCausalSession, walCatchUp, walPosition } from 'kysely-replica-fallback/postgres';
import { expect, onTestFinished, test } from 'vitest';
import { connect } from '../../support/connect.ts';
import { addOrder, createOrders, findOrder, type OrdersDatabase } from '../../support/orders.ts';
import { replicatedDatabase } from '../../support/replicated-database.ts';

const database = await replicatedDatabase<OrdersDatabase>(createOrders);
await database.write(addOrder('1'));
const after = await walPosition(database.primary.db);

/** Reads wait for the only connection to the replica, and are given up before they get it. */

const READS = 50;
const find = (db: Kysely<OrdersDatabase>) => findOrder(db, '1').executeTakeFirst();

test.for([
  { what: 'after a position', inSession: false },
  { what: 'of a session', inSession: true },
])('nothing is asked for reads $what that are over', async ({ inSession }) => {
  const replica = connect<OrdersDatabase>(database.cluster.replicas[0].connectionString, {
    max: 1,
  });
  onTestFinished(() => replica.end());
  const read = createReplicaFallback({
    primary: database.primary.db,
    replica: replica.db,
    catchUp: walCatchUp(),
  });
  const abortion = new AbortController();
  const { signal } = abortion;
  const holder = await replica.pool.connect();
  const statements: string[] = [];
  const query = holder.query.bind(holder) as (...args: unknown[]) => unknown;
  Object.assign(holder, {
    query(...args: unknown[]) {
      const [statement] = args;
      statements.push(typeof statement === 'string' ? statement : inspect(statement));
      return query(...args);
    },
  });
  const session = createCausalSession(read, { position: after });
  const reads = Array.from({ length: READS }, () =>
    inSession ? session.read(find, { signal }) : read(find, { after, signal }),
  );
  const ended = Promise.allSettled(reads);
  await expect.poll(() => replica.pool.waitingCount).toBe(READS);
  abortion.abort();
  await ended;

  holder.release();
  await expect.poll(() => [replica.pool.waitingCount, replica.pool.idleCount]).toEqual([0, 1]);

  expect(statements.filter((statement) => statement.includes('select'))).toEqual([]);
});
