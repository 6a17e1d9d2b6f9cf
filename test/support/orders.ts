import { type Kysely, type SelectQueryBuilder, sql } from 'kysely';

/** An ordinary table of an ordinary service. */
export interface OrdersDatabase {
  orders: { id: string; version: number };
}

/** An order, with the server's own word on what it is. */
export interface FoundOrder {
  readonly id: string;
  readonly version: number;
  readonly servedBy: 'primary' | 'replica';
}

export async function createOrders(db: Kysely<OrdersDatabase>): Promise<void> {
  await db.schema
    .createTable('orders')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('version', 'integer', (column) => column.notNull())
    .execute();
}

export function addOrder(id: string, version = 1) {
  return (db: Kysely<OrdersDatabase>) => db.insertInto('orders').values({ id, version }).execute();
}

export function findOrder(
  db: Kysely<OrdersDatabase>,
  id: string,
): SelectQueryBuilder<OrdersDatabase, 'orders', FoundOrder> {
  const servedBy = sql<
    FoundOrder['servedBy']
  >`case when pg_is_in_recovery() then 'replica' else 'primary' end`;
  return db
    .selectFrom('orders')
    .select(['id', 'version', servedBy.as('servedBy')])
    .where('id', '=', id);
}

/** The queries of a client that read orders, or tried to. The others ask where the server is. */
export function orderReadsOf({ queries }: { readonly queries: readonly string[] }): string[] {
  return queries.filter((query) => query.includes('"orders"'));
}
