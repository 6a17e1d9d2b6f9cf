import type { Outcome } from 'kysely-replica-fallback';
import { gives, misses, type Script, scriptNthAttempt, throws } from './scripted-clients.ts';

export const ROW = { id: 'o1' };
export const REPLICA_ERROR = new Error('The replica refused.');

/** For every outcome, a script that ends in it under `noRow` and one retry. */
export const SCRIPTS: Readonly<Record<Outcome, Script>> = {
  replica: scriptNthAttempt(1, gives(ROW)),
  replica_retry: scriptNthAttempt(2, gives(ROW)),
  primary: scriptNthAttempt(3, gives(ROW)),
  not_found: scriptNthAttempt(3, misses),
  error: scriptNthAttempt(2, throws(REPLICA_ERROR)),
};
