import type { Servers } from '../servers.ts';
import type { Plan } from './fault.ts';

const LOCK = [
  'begin',
  'lock table waitpoint in access exclusive mode',
  'commit',
  'select pg_sleep(0.02)',
];
const LOCKS = Array.from({ length: 40 }, () => LOCK).flat();

/**
 * Has a standby cancel reads that hold up its replay: the primary locks a table that the service reads, again and again,
 * and the standby is told to wait for nobody before it does the same.
 */
export function conflictWithReads(servers: Servers, place: 0 | 1): Plan {
  return {
    targets: ['the primary', place === 0 ? 'the first standby' : 'the second standby'],
    async strike() {
      await servers.standbys[place].run(
        'alter system set max_standby_streaming_delay = 0',
        'select pg_reload_conf()',
      );
      await servers.primary.run(`set lock_timeout = '1s'`, ...LOCKS).catch(ignoreLockTimeout);
    },
    undo: () =>
      servers.standbys[place].run(
        'alter system reset max_standby_streaming_delay',
        'select pg_reload_conf()',
      ),
  };
}

/** Somebody else held the lock for too long. */
function ignoreLockTimeout(error: unknown): void {
  if (Object(error).code !== '55P03') throw error;
}
