import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { UsageError } from '../../examples/snapshots-service/program.ts';

/** What the command line asks for. */
export interface CommandLine {
  /** How long faults strike. */
  readonly seconds: number;
  readonly seed: number;
  readonly help: boolean;
}

export const HELP = `Lets faults strike a primary, two standbys and the example service under traffic,
and checks that nothing is answered that must not be.

Usage: npm run chaos -- [--seconds N] [--seed S] [--help]

  --seconds N   How long faults strike: 1 to 86400. Default is 60.
  --seed S      Repeats the choices of an earlier run: 0 to 4294967295. Default is
                any other one.
  --help        Print this.

Exits with 0, with 1 after a violation, and with 2 for other arguments.
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
        seconds: { type: 'string', default: '60' },
        seed: { type: 'string', default: String(randomInt(2 ** 32)) },
        help: { type: 'boolean', default: false },
      },
    });
    return {
      seconds: integer('--seconds', values.seconds, 1, 86_400),
      seed: integer('--seed', values.seed, 0, 2 ** 32 - 1),
      help: values.help,
    };
  } catch (error) {
    const [reason = ''] = String(Reflect.get(Object(error), 'message')).split(/\.(?:\s|$)/);
    throw new UsageError(`${reason}. \`npm run chaos -- --help\` says what there is.`, {
      cause: error,
    });
  }
}

function integer(option: string, given: string, min: number, max: number): number {
  if (/^\d+$/.test(given) && Number(given) >= min && Number(given) <= max) return Number(given);
  throw new Error(`Expected '${option}' to be an integer from ${min} to ${max}, got '${given}'`);
}
