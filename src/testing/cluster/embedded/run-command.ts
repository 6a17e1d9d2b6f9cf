import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Who runs a command, and where. */
export interface CommandContext {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly uid?: number;
  readonly gid?: number;
}

/** Runs a program to its end. Rejects with what it printed when it fails. */
export async function runCommand(
  file: string,
  args: readonly string[],
  context: CommandContext,
): Promise<void> {
  try {
    await promisify(execFile)(file, args, context);
  } catch (cause) {
    throw new Error(`${file} ${args.join(' ')} failed: ${explain(cause)}`, { cause });
  }
}

function explain(error: unknown): string {
  const output = ['stdout', 'stderr']
    .map((stream) => Reflect.get(Object(error), stream))
    .filter((text) => typeof text === 'string' && text.trim() !== '');
  return output.length > 0 ? output.join('\n').trim() : String(error);
}
