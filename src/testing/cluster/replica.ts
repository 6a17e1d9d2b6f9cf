import { InvalidOptionError } from '../../errors.ts';
import { pollUntil } from './poll-until.ts';
import {
  flushPosition,
  readApplyDelay,
  readPauseState,
  readReplayProgress,
  type ReplayProgress,
} from './replay-state.ts';
import { controlsOf, type ServerControl } from './running-servers.ts';
import { runSql } from './sql.ts';

/** How long `Replica.waitForReplay` waits. */
export interface WaitForReplayOptions {
  /** Milliseconds, at least 0. Default is `30_000`. */
  readonly timeoutMs?: number | undefined;
}

/**
 * A hot standby that streams from the primary, and the ways to make it late or absent. Every control resolves when its
 * effect is there, so that no test has to sleep, and does nothing when the replica is in that state already.
 */
export interface Replica {
  /** `postgres://…`: for reads. It stays the same when the replica restarts. */
  readonly connectionString: string;
  /**
   * Holds the replica where it is: it still answers, and still receives WAL, but shows nothing newer. Lasts until
   * `resumeReplay()` or until the replica is started again. While an apply delay holds a commit back, PostgreSQL pauses
   * only when that commit is due, and does not show it.
   *
   * @throws Error when it has not paused after 30 seconds
   */
  pauseReplay(): Promise<void>;
  /** Undoes `pauseReplay()`. Rows that arrived meanwhile become visible soon: see `waitForReplay()`. */
  resumeReplay(): Promise<void>;
  /**
   * Makes every commit visible `milliseconds` after the primary made it, also after a restart. `0` ends that.
   *
   * @throws InvalidOptionError unless it is an integer from 0 to 2147483647
   */
  setApplyDelay(milliseconds: number): Promise<void>;
  /**
   * Resolves when the replica shows everything that was committed on the primary before this call.
   *
   * @throws Error when that takes longer than `timeoutMs`, for instance because replay is paused
   * @throws InvalidOptionError for a `timeoutMs` that is not a number of at least 0
   */
  waitForReplay(options?: WaitForReplayOptions): Promise<void>;
  /** A fast shutdown and a start: sessions end with 57P01, and the replica comes back on the same port. */
  restart(): Promise<void>;
  /** Kills the server with SIGKILL: sessions break off, and new connections are refused until `start()`. */
  kill(): Promise<void>;
  /** Shuts this replica down, fast, and leaves it down until `start()`: sessions end with 57P01. */
  stop(): Promise<void>;
  /** Starts the replica after `stop()` or `kill()`. Resolves when it accepts connections. */
  start(): Promise<void>;
}

const CONTROL_TIMEOUT_MS = 30_000;

export function createReplica(server: ServerControl, primaryConnectionString: string): Replica {
  const { connectionString } = server;

  return {
    ...controlsOf(server),

    async pauseReplay() {
      await runSql(connectionString, { text: 'select pg_wal_replay_pause()' });
      await pollUntil(
        async () => (await readPauseState(connectionString)) === 'paused',
        CONTROL_TIMEOUT_MS,
        () => `Replay did not pause within ${CONTROL_TIMEOUT_MS} ms.`,
      );
    },

    async resumeReplay() {
      await runSql(connectionString, { text: 'select pg_wal_replay_resume()' });
    },

    async setApplyDelay(milliseconds) {
      assertApplyDelay(milliseconds);
      await runSql(
        connectionString,
        { text: `alter system set recovery_min_apply_delay = ${milliseconds}` },
        { text: 'select pg_reload_conf()' },
      );
      // A backend that was forked with the new value proves that the process that replays was told of it before.
      await pollUntil(
        async () => (await readApplyDelay(connectionString)) === milliseconds,
        CONTROL_TIMEOUT_MS,
        () => `The apply delay was not in force within ${CONTROL_TIMEOUT_MS} ms.`,
      );
    },

    async waitForReplay({ timeoutMs = CONTROL_TIMEOUT_MS } = {}) {
      assertTimeout(timeoutMs);
      const target = await flushPosition(primaryConnectionString);
      let progress: ReplayProgress | undefined;
      await pollUntil(
        async () => {
          progress = await readReplayProgress(connectionString, target);
          return progress.reached;
        },
        timeoutMs,
        () =>
          `The replica did not replay the primary's WAL up to ${target} within ${timeoutMs} ms: ` +
          `it is at ${progress?.position}, and its replay is ${progress?.pauseState}.`,
      );
    },
  };
}

function assertApplyDelay(milliseconds: number): void {
  if (!Number.isInteger(milliseconds) || milliseconds < 0 || milliseconds > 2_147_483_647) {
    const expected = 'an integer from 0 to 2147483647';
    throw new InvalidOptionError('milliseconds', expected, milliseconds);
  }
}

/** With `NaN`, the wait would never end. */
function assertTimeout(timeoutMs: unknown): void {
  if (typeof timeoutMs === 'number' && timeoutMs >= 0) return;
  throw new InvalidOptionError('timeoutMs', 'a number of at least 0', timeoutMs);
}
