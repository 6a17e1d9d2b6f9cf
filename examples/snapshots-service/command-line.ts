import { parseArgs } from 'node:util';
import { UsageError } from './program.ts';

/** What the command line asks for. */
export interface CommandLine {
  readonly once: boolean;
  /** The folder to write the lab's scenes to. */
  readonly record?: string | undefined;
  readonly help: boolean;
  /** Whether the package has to be built first. `npm start` says so. */
  readonly build: boolean;
}

export const HELP = `Shows reads that fall back from a lagging PostgreSQL standby to its primary.

Starts a primary, a standby and a service on 127.0.0.1, polls the service while
the standby lags more and more, prints what came of it, and keeps serving: also
the lag lab, a page at / where you set the lag yourself and see what happens.

Usage: npm start -- [--once | --record FOLDER] [--help]

  --once           End after the summary.
  --record FOLDER  Instead of all that, play the lab's scenes, and write them to a
                   new folder with the page that plays them. Any web server can
                   host it; no database is needed.
  --help           Print this.

Environment:

  PORT                   Where to serve; 0 is any free port. Default is 3000, or
                         a free one when that is taken.
  RUN_ENGINE_SNAPSHOTS_SINCE_REPLICA_ENABLED
                         true, false, 1 or 0: whether reads may ask the standby.
                         Default is true.
  RUN_ENGINE_SNAPSHOTS_SINCE_REPLICA_CATCH_UP
                         true, false, 1 or 0: whether a read that misses waits
                         just until the standby has caught up, or for a random
                         time. Default is true.
  RUN_ENGINE_SNAPSHOTS_SINCE_REPLICA_RETRY_MIN_MS
  RUN_ENGINE_SNAPSHOTS_SINCE_REPLICA_RETRY_MAX_MS
                         How long to wait before the standby is asked once more.
                         Default is 50 and 200; a maximum of 0 skips it. With
                         catch-up, only the maximum matters.
  DATABASE_URL, REPLICA_DATABASE_URL
                         A primary and its standby to use instead. Three tables
                         are created there, and stay; the lag is left alone, by
                         the page, too.
  LOG_LEVEL              error, warn (a line for each read that the primary had
                         to serve) or info. Default is error.
`;

/**
 * Parses the arguments after the script's name.
 *
 * @throws UsageError for any other argument
 */
export function parseCommandLine(args: readonly string[]): CommandLine {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        once: { type: 'boolean', default: false },
        record: { type: 'string' },
        help: { type: 'boolean', default: false },
        build: { type: 'boolean', default: false },
      },
    });
    if (values.record === '') throw new Error("Option '--record' needs a folder");
    return values;
  } catch (error) {
    const [reason = ''] = String(Reflect.get(Object(error), 'message')).split('. ');
    throw new UsageError(`${reason}. \`npm start -- --help\` says what there is.`, {
      cause: error,
    });
  }
}
