import type { PositionSource } from 'kysely-replica-fallback/catch-up';
import {
  type KyselyClient,
  walCatchUp,
  type WalCatchUpOptions,
  type WalClient,
} from 'kysely-replica-fallback/postgres';
import { sourceOf } from '../../src/catch-up/create-catch-up.ts';

/** What `walCatchUp()` is made of, for tests that change or count one part of it. */
export function walSource<Client extends WalClient = KyselyClient>(
  options?: WalCatchUpOptions,
): PositionSource<Client> {
  const source: PositionSource<Client> | undefined = sourceOf(walCatchUp(options));
  if (source === undefined) throw new Error('`walCatchUp()` has no source.');
  return source;
}
