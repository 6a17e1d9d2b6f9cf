import { format, inspect } from 'node:util';
import { pino, stdSerializers } from 'pino';

const { err } = stdSerializers;

/** All that a service may print of an error, or of an object that holds some. */
export function printed(value: unknown): string {
  const lines: string[] = [];
  pino(
    { base: null, serializers: { err, error: err, replicaError: err } },
    { write: (line: string) => void lines.push(line) },
  ).error(value, 'A read failed.');
  return [
    format('%s %o %O', value, value, value),
    inspect(value, { depth: Infinity, showHidden: true }),
    JSON.stringify(value),
    ...lines,
  ].join('\n');
}
