/** From the least to the most important. */
export const LOG_LEVELS = ['info', 'warn', 'error'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** Writes a line of JSON for each call, from its level on. It can be a read's `logger` as it is. */
export type Log = Readonly<Record<LogLevel, (message: string, fields?: object) => void>>;

/**
 * @param lowest - the least important level that is written
 * @param write - where a line goes, with its line break. Default is stderr.
 */
export function createLog(
  lowest: LogLevel,
  write: (line: string) => void = (line) => process.stderr.write(line),
): Log {
  const log = (level: LogLevel) => (message: string, fields: object | undefined) => {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(lowest)) return;
    const entry = { time: new Date(), level, message, ...fields };
    write(`${JSON.stringify(entry, showErrors)}\n`);
  };
  return { info: log('info'), warn: log('warn'), error: log('error') };
}

/** An error's name, message and stack are not enumerable, and JSON leaves them out. */
function showErrors(_key: string, value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  const { name, message, stack } = value;
  return { name, message, code: 'code' in value ? value.code : undefined, stack };
}
