import type { PositionSource } from 'kysely-replica-fallback/catch-up';
import { type KyselyClient, walCatchUp, type WalClient } from 'kysely-replica-fallback/postgres';
import { sourceOf } from '../../src/catch-up/create-catch-up.ts';

/** What `walCatchUp()` is made of, for tests that change or count one part of it. */
export function walSource<Client extends WalClient = KyselyClient>(): PositionSource<Client> {
  const source: PositionSource<Client> | undefined = sourceOf(walCatchUp());
  if (source === undefined) throw new Error('`walCatchUp()` has no source.');
  return source;
}
