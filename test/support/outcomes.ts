import type { Outcome } from 'kysely-replica-fallback';
import { gives, misses, type Script, scriptNthAttempt, throws } from './scripted-clients.ts';

export const ROW = { id: 'o1' };
export const REPLICA_ERROR = new Error('The replica refused.');

/** Every outcome that needs no option but `noRow` and one retry. */
export type ScriptedOutcome = Exclude<Outcome, 'rejected'>;

/** For each of them, a script that ends in it. */
export const SCRIPTS: Readonly<Record<ScriptedOutcome, Script>> = {
  replica: scriptNthAttempt(1, gives(ROW)),
  replica_retry: scriptNthAttempt(2, gives(ROW)),
  primary: scriptNthAttempt(3, gives(ROW)),
  not_found: scriptNthAttempt(3, misses),
  error: scriptNthAttempt(2, throws(REPLICA_ERROR)),
};
