import { runProgram } from '../../examples/snapshots-service/program.ts';
import { playChaos } from './chaos.ts';
import { HELP, parseCommandLine } from './command-line.ts';

const say = (line: string): void => void process.stdout.write(`${line}\n`);

await runProgram(async (context) => {
  const { seconds, seed, help } = parseCommandLine(process.argv.slice(2));
  if (help) return say(HELP);
  const replay = `npm run chaos -- --seconds ${seconds} --seed ${seed}`;
  say(`Seed ${seed}. To repeat it: ${replay}`);
  try {
    await playChaos({ ...context, seconds, seed, say });
  } finally {
    say(`That was: ${replay}`);
  }
});

// What a violation or Ctrl-C has cut off needs no end of its own.
process.exit();
