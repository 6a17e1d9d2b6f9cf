// Usage: node count-tests.js NAME.json...
//
// Counts the tests in reports of Vitest, and a file that failed outside of them as one. Names those that passed only when they
// ran again. Exits with 1 if these are too many, or if a report has no test at all.
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

const MOST_AGAIN = 3;

let passed = 0;
let failed = 0;
let again = 0;

for (const path of process.argv.slice(2)) {
  const servers = basename(path, '.json');
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(path, 'utf8'));
  for (const { status, fullName, failureMessages } of testResults.flatMap(
    (file) => file.assertionResults,
  )) {
    if (status === 'passed' && failureMessages.length > 0) {
      again++;
      console.log(
        `Passed when it ran again, on ${servers}: ${fullName}\n${failureMessages.join('\n')}\n`,
      );
    }
  }
  // Such as in a hook, or while it was loaded.
  const broken = testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && assertionResults.every((test) => test.status !== 'failed'),
  );
  for (const { name, message } of broken) {
    console.log(`Failed outside of its tests, on ${servers}: ${name}\n${message}\n`);
  }
  failed += broken.length;
  console.log(`On ${servers}: ${numPassedTests} passed, ${numFailedTests + broken.length} failed`);
  if (numPassedTests + numFailedTests === 0) process.exitCode = 1;
  passed += numPassedTests;
  failed += numFailedTests;
}

if (again > MOST_AGAIN) {
  console.log(
    `${again} tests passed only when they ran again: more than ${MOST_AGAIN} are a failure.`,
  );
  process.exitCode = 1;
}
console.log(`${passed} passed, ${failed} failed`);
