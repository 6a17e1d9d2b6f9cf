/**
 * Changes the code of each subpath in every small way, one at a time, and tells which changes no test notices. Ends with 1
 * when too few are noticed, or one is not that `survivors.ts` does not explain. With names of subpaths, only of these.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { Stryker } from '@stryker-mutator/core';
import { SURVIVORS } from './survivors.ts';

type Mutant = Awaited<ReturnType<Stryker['runMutationTest']>>[number];

/** What is used of Stryker's report. */
interface Report {
  readonly files: Record<string, { mutants: { readonly status: Mutant['status'] }[] }>;
}

/** With the tests that are about its code: each more is run for each mutant that it reaches. In percent, `atLeast`. */
const SUBPATHS = [
  {
    name: '.',
    mutate: 'src/*.ts',
    tests:
      'test/unit/!(*position|*postgres*|*mysql*|*gtid*|survive*|lagging*|chaos*).test.ts test/unit/catch-up/!(hopeless).test.ts',
    atLeast: 95,
  },
  {
    name: './postgres',
    mutate: 'src/{postgres/**,databases}/*.ts',
    tests:
      'test/unit/*{wal,postgres,pooler,refused,replayed-position,connection-errors,secrets}*.test.ts test/unit/catch-up/not-primary.test.ts',
    atLeast: 95,
  },
  {
    name: './mysql',
    mutate: 'src/mysql/*.ts',
    tests: 'test/unit/*{mysql,gtid}*.test.ts',
    atLeast: 0,
  },
  {
    name: './snapshots',
    mutate: 'src/snapshots/*.ts',
    tests: 'test/unit/snapshots/*.test.ts',
    atLeast: 95,
  },
  {
    name: './catch-up',
    mutate: 'src/catch-up/*.ts',
    tests: 'test/unit/catch-up/*.test.ts',
    atLeast: 0,
  },
];

const wanted = process.argv.slice(2);
const rows: object[] = [];
for (const { name, mutate, tests, atLeast } of SUBPATHS) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  process.env['MUTANTS_TESTS'] = tests;
  const folder = `test/artifacts/mutants/${name === '.' ? 'core' : name}`;
  const incrementalFile = `${folder}/incremental.json`;
  forgetSurvivors(incrementalFile);
  const startedAt = performance.now();
  const mutants = await new Stryker({
    mutate: [mutate],
    testRunner: 'vitest',
    vitest: { configFile: 'test/mutants/vitest.config.ts', related: false },
    ignorePatterns: ['examples', 'test/artifacts'],
    // One that goes on for ever is killed, and one that a busy machine holds up is not.
    timeoutMS: 15_000,
    // Stryker would rewrite it with the compiler's API, which TypeScript 7 does not have.
    tsconfigFile: 'none',
    // Runs again only what a change may have changed.
    incremental: true,
    incrementalFile,
    reporters: ['html', 'progress-append-only'],
    htmlReporter: { fileName: `${folder}/report.html` },
  }).runMutationTest();

  const survivors = mutants.filter(
    ({ status }) => status === 'Survived' || status === 'NoCoverage',
  );
  const killed = mutants.filter(({ status }) => status === 'Killed' || status === 'Timeout').length;
  const percent = (100 * killed) / (killed + survivors.length);
  const unexplained = survivors.map(describe).filter((survivor) => !isExplained(survivor));
  for (const { file, number, line, becomes } of unexplained) {
    console.log(`${file}:${number}\n  - ${line}\n  + ${becomes}`);
  }
  const minutes = (performance.now() - startedAt) / 60_000;
  rows.push({
    subpath: name,
    killed,
    survived: survivors.length,
    unexplained: unexplained.length,
    'killed, %': percent.toFixed(1),
    minutes: minutes.toFixed(0),
  });
  if (percent < atLeast || (atLeast > 0 && unexplained.length > 0)) process.exitCode = 1;
}
console.table(rows);

/** Stryker runs one that survived again when a test that reached it has changed, but not when a test is new that does. */
function forgetSurvivors(incrementalFile: string): void {
  if (!existsSync(incrementalFile)) return;
  const report: Report = JSON.parse(readFileSync(incrementalFile, 'utf8'));
  for (const file of Object.values(report.files)) {
    file.mutants = file.mutants.filter(({ status }) => status === 'Killed');
  }
  writeFileSync(incrementalFile, JSON.stringify(report));
}

/** The line that was changed, or the first of them, and what a part of it has become. */
function describe({ fileName, location: { start }, replacement }: Mutant) {
  const file = relative(process.cwd(), fileName);
  const lines = readFileSync(file, 'utf8').split('\n');
  return { file, number: start.line, line: lines[start.line - 1]?.trim(), becomes: replacement };
}

function isExplained({ file, line, becomes }: ReturnType<typeof describe>): boolean {
  return SURVIVORS.some(
    (each) => each.file === file && each.line === line && each.becomes.includes(becomes),
  );
}
