import { type DestinationStream, destination, pino, stdSerializers, stdTimeFunctions } from 'pino';

/** From the least to the most important. */
export const LOG_LEVELS = ['info', 'warn', 'error'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** Writes a line of JSON for each call, from its level on. It can be a read's `logger` as it is. */
export type Log = Readonly<Record<LogLevel, (message: string, fields?: object) => void>>;

/**
 * pino, which takes the fields first, with the message first.
 *
 * @param lowest - the least important level that is written
 * @param stream - where the lines go. Default is stderr.
 */
export function createLog(
  lowest: LogLevel,
  stream: DestinationStream = destination({ dest: 2, sync: true }),
): Log {
  const logger = pino(
    {
      level: lowest,
      base: null,
      messageKey: 'message',
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
      serializers: { error: stdSerializers.err, replicaError: stdSerializers.err },
    },
    stream,
  );
  return {
    info: (message, fields = {}) => logger.info(fields, message),
    warn: (message, fields = {}) => logger.warn(fields, message),
    error: (message, fields = {}) => logger.error(fields, message),
  };
}
