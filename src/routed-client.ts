import { isObject } from './is-object.ts';

/**
 * What to pass for a client that sends reads to replicas by itself, in words. `undefined` for any other client, as far as
 * that can be seen.
 */
export function insteadOfRouted(client: unknown): string | undefined {
  if ('$primary' in Object(client)) return 'its `$primary`'; // of Drizzle's withReplicas, and of Prisma's extension
  return isReplicated(client) ? 'a data source without `replication`' : undefined;
}

/** Of TypeORM: a data source, or one of its managers, repositories or query runners. */
function isReplicated(client: unknown): boolean {
  const manager = member(client, 'manager') ?? client;
  const source = member(manager, 'dataSource') ?? member(manager, 'connection');
  const replication = member(member(source, 'options'), 'replication');
  const slaves = member(replication, 'slaves');
  const mode = member(member(manager, 'queryRunner'), 'mode') ?? member(replication, 'defaultMode');
  return Array.isArray(slaves) && slaves.length > 0 && mode !== 'master';
}

function member(of: unknown, name: string): unknown {
  return isObject(of) ? Reflect.get(of, name) : undefined;
}
