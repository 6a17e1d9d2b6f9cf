import { InvalidOptionError } from 'kysely-replica-fallback';
import * as z from 'zod';
import { LOG_LEVELS } from './log.ts';
import { integerText } from './schemas.ts';

/** The connection strings of a primary and its standby. */
export interface DatabaseUrls {
  readonly primary: string;
  readonly replica: string;
}

const ENABLED = 'RUN_ENGINE_SNAPSHOTS_SINCE_REPLICA_ENABLED';
const CATCH_UP = 'RUN_ENGINE_SNAPSHOTS_SINCE_REPLICA_CATCH_UP';
const RETRY_MIN = 'RUN_ENGINE_SNAPSHOTS_SINCE_REPLICA_RETRY_MIN_MS';
const RETRY_MAX = 'RUN_ENGINE_SNAPSHOTS_SINCE_REPLICA_RETRY_MAX_MS';

const flag = z.stringbool({
  truthy: ['true', '1'],
  falsy: ['false', '0'],
  error: 'true, false, 1 or 0',
});
const milliseconds = integerText(0, 60_000);
const database = z.url({
  protocol: /^postgres(ql)?$/,
  error: 'a URL like postgres://user@host:5432/database',
});

const Variables = z.object({
  [ENABLED]: flag.default(true),
  [CATCH_UP]: flag.default(true),
  [RETRY_MIN]: milliseconds.optional(),
  [RETRY_MAX]: milliseconds.default(200),
  PORT: integerText(0, 65_535).optional(),
  DATABASE_URL: database.optional(),
  REPLICA_DATABASE_URL: database.optional(),
  LOG_LEVEL: z.enum(LOG_LEVELS, LOG_LEVELS.join(', ')).default('error'),
});

type Variables = z.infer<typeof Variables>;

/** There may be a password in them, so their values stay out of messages. */
const SECRETS = new Set(['DATABASE_URL', 'REPLICA_DATABASE_URL']);

/** What operators set by environment variables. */
export type Config = ReturnType<typeof readConfig>;

/**
 * Reads the configuration. A variable that is set to nothing counts as not set.
 *
 * @throws InvalidOptionError for the first variable that is not what it has to be
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>) {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const { success, data, error } = Variables.safeParse(given);
  if (!success) {
    const { path, message } = error.issues[0]!; // no failure is without one
    const name = String(path[0]);
    throw new InvalidOptionError(name, message, SECRETS.has(name) ? '(hidden)' : given[name]);
  }
  return {
    enabled: data[ENABLED],
    catchUp: data[CATCH_UP],
    retryMs: retryMsOf(data),
    port: data.PORT,
    databases: databasesOf(data),
    logLevel: data.LOG_LEVEL,
  };
}

function retryMsOf({ [RETRY_MAX]: max, [RETRY_MIN]: min = Math.min(50, max) }: Variables) {
  if (max === 0) return { min: 0, max };
  if (min > max) throw new InvalidOptionError(RETRY_MIN, `at most \`${RETRY_MAX}\` (${max})`, min);
  return { min, max };
}

function databasesOf({
  DATABASE_URL: primary,
  REPLICA_DATABASE_URL: replica,
}: Variables): DatabaseUrls | undefined {
  if (primary !== undefined && replica !== undefined) return { primary, replica };
  if (primary !== undefined) {
    throw new InvalidOptionError('REPLICA_DATABASE_URL', 'set, as `DATABASE_URL` is', undefined);
  }
  if (replica !== undefined) {
    throw new InvalidOptionError('DATABASE_URL', 'set, as `REPLICA_DATABASE_URL` is', undefined);
  }
  return undefined;
}
