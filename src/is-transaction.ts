import { isObject } from './is-object.ts';

/** Kysely's `isTransaction`, which other clients do not have. */
export function isTransaction(client: unknown): boolean {
  return isObject(client) && 'isTransaction' in client && client.isTransaction === true;
}
