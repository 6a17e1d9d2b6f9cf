import type { Kysely } from 'kysely';
import { InvalidPositionError, withReplicaFallback } from 'kysely-replica-fallback';
import { gtidCatchUp, gtidPosition, replicaUnavailable } from 'kysely-replica-fallback/mysql';
import { beforeEach, describe, expect, test } from 'vitest';
import { afterFirstAnswer } from '../support/after-first-answer.ts';
import { seeRead } from '../support/see-read.ts';
import { openKysely } from '../support/mysql/clients.ts';
import { onEachBrand } from '../support/mysql/on-each-brand.ts';
import {
  addOrder,
  createOrders,
  findOrder,
  type OrdersDatabase,
  PRIMARY,
  setVersion,
} from '../support/mysql/orders.ts';

type Client = Kysely<OrdersDatabase>;

interface Options {
  readonly after?: string;
  readonly retryMs?: number;
}

onEachBrand((cluster) => {
  const replica = () => cluster().replicas[0];
  let primaryDb: Client;
  let replicaDb: Client;

  beforeEach(() => {
    primaryDb = openKysely(cluster().primary.connectionString);
    replicaDb = openKysely(replica().connectionString);
  });

  const see = (id: string, { after, retryMs = 20_000 }: Options = {}) =>
    seeRead((db: Client) => findOrder(db, id), {
      primary: primaryDb,
      replica: replicaDb,
      catchUp: gtidCatchUp(),
      isUnavailable: replicaUnavailable,
      retryMs: { min: 0, max: retryMs },
      ...(after === undefined ? {} : { after }),
    });

  /** Lets the replica apply what it was kept from when the read has begun to wait. */
  const seeUnderLag = async (id: string, options?: Options) => {
    const read = see(id, options);
    await expect.poll(countWaits).toBeGreaterThan(0);
    await replica().goOn();
    return read;
  };
  const countWaits = async () => {
    const [count] = await replica().ask(
      `select count(*) from information_schema.processlist where info like 'select concat(%wait%'`,
    );
    return Number(count);
  };

  describe('a read', () => {
    test('of a row that the replica has ends there', async () => {
      await addOrder(cluster(), 'old');
      await replica().catchUp();

      const { result, report } = await see('old');

      expect(result).toMatchObject({ value: { id: 'old', server: 2 } });
      expect(report.outcome).toBe('replica');
    });

    test('of a new row ends on the replica, once that has caught up', async () => {
      await replica().holdBack();
      await addOrder(cluster(), 'new');

      const { result, asked, report } = await seeUnderLag('new');

      expect(result).toMatchObject({ value: { id: 'new', server: 2 } });
      expect(asked).toEqual(['replica', 'replica_retry']);
      expect(report).toMatchObject({
        outcome: 'replica_retry',
        recovery: { catchUp: { waitedFor: 'existence', end: 'caught_up' } },
      });
    });

    test('of a new row ends on the primary, if the replica does not catch up in time', async () => {
      await replica().holdBack();
      await addOrder(cluster(), 'late');

      const { result, report } = await see('late', { retryMs: 100 });
      await replica().goOn();

      expect(result).toMatchObject({ value: { id: 'late', server: PRIMARY } });
      expect(report.outcome).toBe('primary');
    });

    test('of a row that is nowhere ends without the primary', async () => {
      const { result, asked, report } = await see('nowhere');

      expect(result).toEqual({ status: 'fulfilled', value: undefined });
      expect(asked).toEqual(['replica', 'replica_retry']);
      expect(report.outcome).toBe('not_found');
    });

    test('that fails ends with the error of the server', async () => {
      const { result, thrown, report } = await seeRead(
        (db: Client) => db.selectNoFrom((eb) => eb.fn<number>('nonsense', []).as('n')).execute(),
        { primary: primaryDb, replica: replicaDb, catchUp: gtidCatchUp(), after: 'now' },
      );

      expect(result).toEqual({ status: 'rejected', reason: thrown[0] });
      expect(thrown).toMatchObject([{ errno: 1305 }]);
      expect(report.outcome).toBe('error');
    });

    test('waits for as long as each transaction is delayed', async () => {
      await replica().catchUp();
      await replica().setDelay(3_600);
      await addOrder(cluster(), 'delayed');
      replicaDb = afterFirstAnswer(replicaDb, () => replica().setDelay(1));

      const { result, report } = await see('delayed');
      await replica().setDelay(0);

      expect(result).toMatchObject({ value: { id: 'delayed', server: 2 } });
      expect(report.outcome).toBe('replica_retry');
    });
  });

  describe('a read after', () => {
    test('a position sees the version that was written before', async () => {
      await addOrder(cluster(), 'changed', 1);
      await replica().catchUp();
      await replica().holdBack();
      await setVersion(cluster(), 'changed', 2);
      const after = await gtidPosition(primaryDb);

      const { result, report } = await seeUnderLag('changed', { after });

      expect(result).toMatchObject({ value: { version: 2, server: 2 } });
      expect(report.recovery?.catchUp).toMatchObject({ waitedFor: 'after', end: 'caught_up' });
    });

    test("'now' sees what was committed before", async () => {
      await addOrder(cluster(), 'now', 1);
      await replica().catchUp();
      await replica().holdBack();
      await setVersion(cluster(), 'now', 2);

      const { result, asked } = await seeUnderLag('now', { after: 'now' });

      expect(result).toMatchObject({ value: { version: 2, server: 2 } });
      expect(asked).not.toContain('primary');
    });

    test('a position that the replica has ends there at once', async () => {
      await addOrder(cluster(), 'there');
      const after = await gtidPosition(primaryDb);
      await replica().catchUp();

      const { result, report } = await see('there', { after });

      expect(result).toMatchObject({ value: { server: 2 } });
      expect(report.outcome).toBe('replica');
    });

    test('what is no position is refused', async () => {
      const read = withReplicaFallback((db: Client) => findOrder(db, 'there'), {
        primary: primaryDb,
        replica: replicaDb,
        catchUp: gtidCatchUp(),
        after: "0-1-5'; drop table orders",
      });

      await expect(read).rejects.toBeInstanceOf(InvalidPositionError);
    });

    test('a position beyond the primary costs no wait', async () => {
      const after = (await gtidPosition(primaryDb)).replace(/\d+$/, '99999999');
      await replica().catchUp();

      const { report } = await see('there', { after });

      expect(report).toMatchObject({ outcome: 'replica_retry' });
    });
  });

  test('a replica that was killed leaves reads to the primary, and is asked again when it is back', async () => {
    await addOrder(cluster(), 'safe');
    await replica().catchUp();
    await replica().kill();

    const without = await see('safe', { after: 'now' });
    await replica().start();
    await replica().catchUp();
    const again = await see('safe', { after: 'now' });

    expect(without.result).toMatchObject({ value: { server: PRIMARY } });
    expect(without.report.outcome).toBe('primary');
    expect(again.result).toMatchObject({ value: { server: 2 } });
  });

  test('an ordinary user may ask all that is needed', async () => {
    await replica().holdBack();
    await addOrder(cluster(), 'ordinary');
    primaryDb = openOrdinary(cluster().primary.connectionString);
    replicaDb = openOrdinary(replica().connectionString);

    const { result, report } = await seeUnderLag('ordinary', { after: 'now' });

    expect(result).toMatchObject({ value: { server: 2 } });
    expect(report.outcome).toBe('replica_retry');
  });
}, createOrders);

function openOrdinary(address: string): Client {
  return openKysely(address.replace('service@', 'ordinary@'), { max: 3 });
}
