/** What a program gets from what runs it. */
export interface ProgramContext {
  /** Aborts when somebody asks the program to end. */
  readonly signal: AbortSignal;
  /** Does this when the program ends, however it ends; what was deferred last comes first. */
  readonly defer: (cleanUp: () => Promise<void>) => void;
}

/** By convention, 128 and the number of the signal. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * npm passes on a Ctrl-C that the terminal has sent to all processes already: that is not a second
 * one.
 */
const SAME_SIGNAL_MS = 500;

/**
 * Runs a program to its end, cleans up after it and sets the exit code: 0; 1 when it threw, or 2
 * when that was a {@link UsageError}; 130 or 143 when it was interrupted. A second interruption
 * does not wait for the clean-up.
 */
export async function runProgram(
  program: (context: ProgramContext) => Promise<void>,
): Promise<void> {
  const interruption = new AbortController();
  const cleanUps: (() => Promise<void>)[] = [];
  let interruptedAt: number | undefined;

  const interrupt = (name: keyof typeof EXIT_CODES): void => {
    if (interruptedAt === undefined) {
      interruptedAt = performance.now();
      process.exitCode = EXIT_CODES[name];
      process.stderr.write('\nStopping. Once more to stop at once.\n');
      interruption.abort();
    } else if (performance.now() - interruptedAt > SAME_SIGNAL_MS) {
      process.exit(EXIT_CODES[name]);
    }
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  // Whoever read the output has gone, as in `npm start | head`.
  process.stdout.on('error', () => interruption.abort());

  const { signal } = interruption;
  try {
    await program({ signal, defer: (cleanUp) => cleanUps.push(cleanUp) });
  } catch (error) {
    if (!signal.aborted) fail(error);
  }
  for (const cleanUp of cleanUps.toReversed()) await cleanUp().catch(fail);
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** The command line is not what it has to be. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

function fail(error: unknown): void {
  process.stderr.write(`${explain(error)}\n`);
  process.exitCode ??= error instanceof UsageError ? 2 : 1;
}

/**
 * An error that stands for several, as for `localhost` and its two addresses, has a code but no
 * message.
 */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message || ('code' in error && String(error.code)) || error.name;
}
