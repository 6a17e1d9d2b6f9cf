import { setTimeout as sleep } from 'node:timers/promises';
import type { Server } from '../server.ts';
import type { Servers } from '../servers.ts';
import { STRAY } from '../traffic/session-user.ts';
import { type Plan, TARGETS } from './fault.ts';

const WRITES_EVERY_MS = 50;

/**
 * Nobody has told the old primary that it is none any more: it goes on, and writes numbers into the notes that the new primary
 * never has. All that reads get from standbys comes from one that follows it.
 */
export function failOverWithStray(servers: Servers, lastsMs: number): Plan {
  const end = new AbortController();
  let rejoin: () => Promise<void>;
  let writing: Promise<void>;
  return {
    targets: TARGETS.filter((target) => target !== 'the service'),
    lastsMs,
    async strike() {
      const failedOver = await servers.failOverFromStray();
      ({ rejoin } = failedOver);
      writing = write(failedOver.stray, end.signal);
      writing.catch(() => {}); // heard of below
    },
    async undo() {
      end.abort();
      await writing;
      await rejoin();
    },
  };
}

async function write(stray: Server, end: AbortSignal): Promise<void> {
  for (let number = STRAY; !end.aborted; number++) {
    await stray.run(
      `update execution_snapshot set description = '${number}' where description ~ '^[0-9]+$'`,
    );
    await sleep(WRITES_EVERY_MS);
  }
}
