import type { Kysely } from 'kysely';
import { createReplicaFallback, NotPrimaryError } from 'kysely-replica-fallback';
import { createCausalSession, gtidCatchUp, gtidPosition } from 'kysely-replica-fallback/mysql';
import { beforeEach, expect, test } from 'vitest';
import { openKysely, openMariadb, openMysql2 } from '../support/mysql/clients.ts';
import { onEachBrand } from '../support/mysql/on-each-brand.ts';
import {
  addOrder,
  createOrders,
  findOrder,
  type OrdersDatabase,
  PRIMARY,
  setVersion,
} from '../support/mysql/orders.ts';
import { recordingLogger } from '../support/recording-logger.ts';

type Client = Kysely<OrdersDatabase>;

/** The primary's address leads to a replica, which is read-only and does not apply what was written last. */
const find = (db: Client) => findOrder(db, 'order');

onEachBrand(
  (cluster) => {
    const replica = () => cluster().replicas[0];
    let newer: string;
    beforeEach(async () => {
      newer = await gtidPosition(openMysql2(cluster().primary.connectionString));
    });

    const reader = (options: object = {}) =>
      createReplicaFallback<Client>({
        primary: openKysely(replica().connectionString),
        replica: openKysely(replica().connectionString),
        catchUp: gtidCatchUp(),
        retryMs: 500,
        ...options,
      });

    test.for([{}, { pin: 'connection' }] as const)(
      'rejects what promises more than existence, with gtidCatchUp(%o)',
      async (options) => {
        const read = reader({ catchUp: gtidCatchUp(options) });
        const session = createCausalSession(read);
        session.wrote();

        for (const ask of [
          () => read(find, { after: 'now' }),
          () => read(find, { after: newer }),
          () => session.read(find),
          () => createCausalSession(read, { position: newer }).read(find),
          () => session.position(),
        ]) {
          await expect(ask()).rejects.toBeInstanceOf(NotPrimaryError);
        }
      },
    );

    test('has no position, whichever client asks for it', async () => {
      const address = replica().connectionString;
      for (const client of [openKysely(address), openMysql2(address), openMariadb(address)]) {
        await expect(gtidPosition(client)).rejects.toBeInstanceOf(NotPrimaryError);
      }
    });

    test('goes on with a read that promises existence only, and says so once', async () => {
      const logger = recordingLogger();
      const read = reader({ logger });

      for (let each = 0; each < 2; each++) {
        expect(await read((db) => findOrder(db, 'nowhere'))).toBeUndefined();
      }

      expect(logger.lines).toMatchObject([
        { level: 'warn', message: expect.stringContaining('A standby answers') as string },
      ]);
    });

    test('is recognized by an ordinary user', async () => {
      const address = replica().connectionString.replace('service@', 'ordinary@');
      const read = reader({ primary: openKysely(address, { max: 2 }) });
      await expect(read(find, { after: 'now' })).rejects.toBeInstanceOf(NotPrimaryError);
    });

    test('the true primary still answers', async () => {
      const read = reader({ primary: openKysely(cluster().primary.connectionString) });
      for (const after of ['now', newer]) {
        expect(await read(find, { after })).toMatchObject({ version: 2, server: PRIMARY });
      }
    });
  },
  async (cluster) => {
    await createOrders(cluster);
    await addOrder(cluster, 'order', 1);
    await cluster.replicas[0].catchUp();
    await cluster.replicas[0].holdBack();
    await setVersion(cluster, 'order', 2);
  },
);
