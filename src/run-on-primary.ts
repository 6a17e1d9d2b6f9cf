import type { ReplicaFallbackOptions } from './options.ts';

/**
 * How a query runs on a server that has to be a primary, as it has to be with `after`: what a standby says in its place is not
 * new enough. `undefined` when any server's answer counts, or nobody can tell.
 */
export function runOnPrimaryOf<Client>({
  after,
  catchUp,
}: Pick<ReplicaFallbackOptions<Client, never>, 'after' | 'catchUp'>) {
  return after === undefined ? undefined : catchUp?.runOnPrimary?.bind(catchUp);
}
