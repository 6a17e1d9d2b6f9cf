import type { Sessions } from './sessions.ts';

export interface Database {
  orders: { id: string; status: string };
}

/** Knows the tables, and nothing of sessions. */
export function createOrders({ read, write }: Pick<Sessions<Database>, 'read' | 'write'>) {
  return {
    findOrder: (id: string) =>
      read((db) => db.selectFrom('orders').selectAll().where('id', '=', id).executeTakeFirst(), {
        operation: 'order_by_id',
      }),
    payOrder: (id: string) =>
      write((db) =>
        db.updateTable('orders').set({ status: 'paid' }).where('id', '=', id).execute(),
      ),
  };
}
