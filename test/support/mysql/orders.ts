import { type Kysely, sql } from 'kysely';
import type { GtidCluster } from './gtid-cluster.ts';

/** An ordinary table of an ordinary service. */
export interface OrdersDatabase {
  orders: { id: string; version: number };
}

/** An order, and the id of the server that gave it: 1 is the primary's. */
export interface FoundOrder {
  readonly id: string;
  readonly version: number;
  readonly server: number;
}

export const PRIMARY = 1;

export async function createOrders({ primary, replicas }: GtidCluster): Promise<void> {
  await primary.ask('create table orders (id varchar(100) primary key, version int not null)');
  await Promise.all(replicas.map((replica) => replica.catchUp()));
}

export function addOrder({ primary }: GtidCluster, id: string, version = 1): Promise<unknown> {
  return primary.ask('insert into orders values (?, ?)', id, String(version));
}

export function setVersion({ primary }: GtidCluster, id: string, version: number) {
  return primary.ask('update orders set version = ? where id = ?', String(version), id);
}

export function findOrder(db: Kysely<OrdersDatabase>, id: string): Promise<FoundOrder | undefined> {
  return db
    .selectFrom('orders')
    .select(['id', 'version', sql<number>`@@global.server_id`.as('server')])
    .where('id', '=', id)
    .executeTakeFirst();
}
