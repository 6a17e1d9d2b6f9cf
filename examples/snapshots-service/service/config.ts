import { InvalidOptionError } from 'kysely-replica-fallback';
import { LOG_LEVELS, type LogLevel } from './log.ts';

/** The connection strings of a primary and its standby. */
export interface DatabaseUrls {
  readonly primary: string;
  readonly replica: string;
}

/** What operators set by environment variables. */
export interface Config {
  /** `RUN_ENGINE_SNAPSHOTS_SINCE_REPLICA_ENABLED`. Default is `true`. */
  readonly enabled: boolean;
  /**
   * `RUN_ENGINE_SNAPSHOTS_SINCE_REPLICA_RETRY_MIN_MS` and `…_RETRY_MAX_MS`. Default is 50 and 200.
   */
  readonly retryMs: { readonly min: number; readonly max: number };
  /** `PORT`. Default is 3000, or a free one when that is taken: `undefined`. */
  readonly port: number | undefined;
  /**
   * `DATABASE_URL` and `REPLICA_DATABASE_URL`. Default is servers of the example's own:
   * `undefined`.
   */
  readonly databases: DatabaseUrls | undefined;
  /** `LOG_LEVEL`. Default is `error`. */
  readonly logLevel: LogLevel;
}

type Environment = Readonly<Record<string, string | undefined>>;

const PREFIX = 'RUN_ENGINE_SNAPSHOTS_SINCE_REPLICA';
const RETRY_MIN = `${PREFIX}_RETRY_MIN_MS`;
const RETRY_MAX = `${PREFIX}_RETRY_MAX_MS`;

/**
 * Reads the configuration. A variable that is set to nothing counts as not set.
 *
 * @throws InvalidOptionError for the first variable that is not what it has to be
 */
export function readConfig(env: Environment): Config {
  return {
    enabled: readBoolean(env, `${PREFIX}_ENABLED`) ?? true,
    retryMs: readRetryMs(env),
    port: readInteger(env, 'PORT', 65_535),
    databases: readDatabases(env),
    logLevel: readLogLevel(env),
  };
}

function readBoolean(env: Environment, name: string): boolean | undefined {
  const value = env[name] || undefined;
  switch (value?.toLowerCase()) {
    case undefined:
      return undefined;
    case 'true':
    case '1':
      return true;
    case 'false':
    case '0':
      return false;
    default:
      throw new InvalidOptionError(name, 'true, false, 1 or 0', value);
  }
}

function readRetryMs(env: Environment): Config['retryMs'] {
  const max = readInteger(env, RETRY_MAX, 60_000) ?? 200;
  const min = readInteger(env, RETRY_MIN, 60_000) ?? Math.min(50, max);
  if (max === 0) return { min: 0, max };
  if (min > max) throw new InvalidOptionError(RETRY_MIN, `at most \`${RETRY_MAX}\` (${max})`, min);
  return { min, max };
}

function readInteger(env: Environment, name: string, highest: number): number | undefined {
  const value = env[name] || undefined;
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value) && Number(value) <= highest) return Number(value);
  throw new InvalidOptionError(name, `an integer from 0 to ${highest}`, value);
}

function readDatabases(env: Environment): DatabaseUrls | undefined {
  const primary = readUrl(env, 'DATABASE_URL');
  const replica = readUrl(env, 'REPLICA_DATABASE_URL');
  if (primary !== undefined && replica !== undefined) return { primary, replica };
  if (primary === undefined && replica === undefined) return undefined;
  const [missing, given] =
    primary === undefined
      ? ['DATABASE_URL', 'REPLICA_DATABASE_URL']
      : ['REPLICA_DATABASE_URL', 'DATABASE_URL'];
  throw new InvalidOptionError(missing, `set, as \`${given}\` is`, undefined);
}

/** The value stays out of the message: there may be a password in it. */
function readUrl(env: Environment, name: string): string | undefined {
  const value = env[name] || undefined;
  if (value === undefined || /^postgres(ql)?:$/.test(URL.parse(value)?.protocol ?? '')) {
    return value;
  }
  throw new InvalidOptionError(name, 'a URL like postgres://user@host:5432/database', '(hidden)');
}

function readLogLevel(env: Environment): LogLevel {
  const value = env['LOG_LEVEL'] || 'error';
  const level = LOG_LEVELS.find((each) => each === value);
  if (level === undefined) throw new InvalidOptionError('LOG_LEVEL', LOG_LEVELS.join(', '), value);
  return level;
}
