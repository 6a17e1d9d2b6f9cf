import { spawn } from 'node:child_process';
import { once as onceEmitted } from 'node:events';
import { HELP, parseCommandLine } from './command-line.ts';
import { runProgram } from './program.ts';
import { createTerminal } from './terminal.ts';

const terminal = createTerminal(process.stdout);

await runProgram(async (context) => {
  const commandLine = parseCommandLine(process.argv.slice(2));
  if (commandLine.help) return terminal.say(HELP);
  if (commandLine.build) {
    terminal.say('Building the package.');
    await buildPackage(context.signal);
  }
  // Only now, because it loads the package.
  const { runExample } = await import('./example.ts');
  const { once, record } = commandLine;
  await runExample({ ...context, terminal, once, record });
});

async function buildPackage(signal: AbortSignal): Promise<void> {
  const npm = spawn('npm', ['run', '--silent', 'build'], { stdio: 'inherit', signal });
  const [exitCode] = await onceEmitted(npm, 'close');
  if (exitCode !== 0) throw new Error('The package could not be built.');
}
