import { type Kysely, sql } from 'kysely';
import { type CatchUp, InvalidOptionError, withReplicaFallback } from 'kysely-replica-fallback';
import { gtidCatchUp } from 'kysely-replica-fallback/mysql';
import { expect, test } from 'vitest';
import { openKysely, openMysql2 } from '../support/mysql/clients.ts';
import { onEachBrand } from '../support/mysql/on-each-brand.ts';
import {
  addOrder,
  createOrders,
  findOrder,
  type OrdersDatabase,
  setVersion,
} from '../support/mysql/orders.ts';

type Client = Kysely<OrdersDatabase>;

/** Ways in which somebody leaves a snapshot open on the connection. */
const LEAKS = [
  { leak: 'an open transaction', first: 'start transaction' },
  { leak: '`autocommit` off', first: 'set autocommit = 0' },
];
const NONE_OPEN =
  'a client whose connections have no open transaction: `autocommit` on, and each transaction ended before its connection goes back';
const PINS = ['transaction', 'connection'] as const;
const CASES = LEAKS.flatMap(({ leak, first }) => PINS.map((pin) => ({ leak, first, pin })));

const settle = (read: Promise<unknown>) => read.catch((error: unknown) => error);

onEachBrand((cluster) => {
  const ALONE = { max: 1 };
  const address = (server: 'primary' | 'replica') =>
    (server === 'primary' ? cluster().primary : cluster().replicas[0]).connectionString;
  let orders = 0;

  /** A client of one connection, on which a transaction has read an order, whose version is 2 since. */
  const leakOn = async (server: 'primary' | 'replica', first: string, user = 'service') => {
    const id = `leaked ${orders++}`;
    await addOrder(cluster(), id, 1);
    await cluster().replicas[0].catchUp();
    const db: Client = openKysely(address(server).replace('service@', `${user}@`), ALONE);
    await sql.raw(first).execute(db);
    expect(await findOrder(db, id)).toMatchObject({ version: 1 });
    await setVersion(cluster(), id, 2);
    await cluster().replicas[0].catchUp();
    expect(await findOrder(db, id)).toMatchObject({ version: 1 });
    return { db, id };
  };

  test.for(CASES)(
    'a connection of a replica with $leak gives no old answer, in one $pin',
    async ({ first, pin }) => {
      for (const user of ['service', 'ordinary']) {
        const { db, id } = await leakOn('replica', first, user);
        const primary: Client = openKysely(address('primary'));
        const read = withReplicaFallback((client: Client) => findOrder(client, id), {
          primary,
          replica: db,
          catchUp: gtidCatchUp({ pin }),
          after: 'now',
          retryMs: 50,
        });
        const isRefused = pin === 'connection' && first.includes('autocommit');
        const expected = isRefused ? { option: 'replica', expected: NONE_OPEN } : { version: 2 };
        expect(await settle(read)).toMatchObject(expected);
      }
    },
  );

  test.for(CASES)(
    'a connection of the primary with $leak is an error that says so, in one $pin',
    async ({ first, pin }) => {
      for (const user of ['service', 'ordinary']) {
        const { db, id } = await leakOn('primary', first, user);
        const catchUp: CatchUp<Client> = gtidCatchUp({ pin });
        const read = catchUp.runOnPrimary?.(db, (client) => findOrder(client, id));
        const error = await settle(Promise.resolve(read));
        expect(error).toBeInstanceOf(InvalidOptionError);
        expect(error).toMatchObject({
          option: 'primary',
          expected: NONE_OPEN,
        });
      }
    },
  );

  test('a pool of mysql2 gets another connection for one with an open transaction', async () => {
    const pool = openMysql2(address('replica'), ALONE);
    await addOrder(cluster(), 'pooled', 2);
    await pool.query('start transaction');
    const { outcome, version } = await readVersion(pool, openMysql2(address('primary')));
    expect({ outcome, version }).toEqual({ outcome: 'replica_retry', version: 2 });
  });

  test('one connection serves one read after another', async () => {
    const id = 'one after another';
    await addOrder(cluster(), id, 1);
    const replica: Client = openKysely(address('replica'), ALONE);
    const outcomes: string[] = [];
    for (let round = 0; round < 3; round++) {
      await withReplicaFallback((client: Client) => findOrder(client, id), {
        primary: openKysely<OrdersDatabase>(address('primary')),
        replica,
        catchUp: gtidCatchUp({ pin: 'connection' }),
        after: 'now',
        retryMs: 20_000,
        onOutcome: ({ outcome }) => void outcomes.push(outcome),
      });
    }
    expect(outcomes).not.toContain('primary');
  });
}, createOrders);

async function readVersion(
  replica: ReturnType<typeof openMysql2>,
  primary: ReturnType<typeof openMysql2>,
) {
  const outcomes: string[] = [];
  const version = await withReplicaFallback(
    async (pool: ReturnType<typeof openMysql2>) => {
      const [rows] = await pool.query("select version from orders where id = 'pooled'");
      return Reflect.get(Object(Reflect.get(rows, 0)), 'version') as unknown;
    },
    {
      primary,
      replica,
      catchUp: gtidCatchUp(),
      after: 'now',
      retryMs: 20_000,
      onOutcome: ({ outcome }) => void outcomes.push(outcome),
    },
  );
  return { outcome: outcomes[0], version };
}
