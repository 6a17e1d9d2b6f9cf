import { setTimeout as sleep } from 'node:timers/promises';
import { type Kysely, sql } from 'kysely';
import type { Database } from './policies.ts';

type Client = Kysely<Database>;

/** When a standby shows what was committed before a position. */
export interface Visibility {
  /** Resolves with the time, on the clock of `performance.now()`, when it has replayed all that the primary has by now. */
  watch(primary: Client): Promise<number>;
  stop(): Promise<void>;
}

const LOOK_EVERY_MS = 2;

/** Looks at the standby all the time. */
export function watchVisibility(standby: Client): Visibility {
  const ending = new AbortController();
  let waiting: { readonly position: number; readonly tell: (at: number) => void }[] = [];
  const look = async (): Promise<void> => {
    const askedAt = performance.now();
    const replayed = await bytesOf(standby, 'pg_last_wal_replay_lsn');
    const at = (askedAt + performance.now()) / 2;
    for (const { position, tell } of waiting) if (position <= replayed) tell(at);
    waiting = waiting.filter(({ position }) => position > replayed);
  };
  const looking = (async () => {
    while (!ending.signal.aborted) {
      if (waiting.length > 0) await look();
      await sleep(LOOK_EVERY_MS);
    }
  })();
  return {
    async watch(primary) {
      const position = await bytesOf(primary, 'pg_current_wal_flush_lsn');
      return new Promise((tell) => {
        waiting.push({ position, tell });
      });
    },
    async stop() {
      ending.abort();
      await looking;
      for (const { tell } of waiting) tell(Infinity);
    },
  };
}

async function bytesOf(db: Client, lsn: string): Promise<number> {
  const query = sql<{ bytes: string }>`select ${sql.raw(lsn)}() - '0/0' as bytes`;
  const { rows } = await query.execute(db);
  return Number(rows[0]?.bytes);
}
