// Usage: node count-tests.js NAME.json...
//
// Counts the tests in reports of Vitest, and names those that passed only when they ran again. Exits with 1 if these are too
// many, or if a report has no test at all.
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
  console.log(`On ${servers}: ${numPassedTests} passed, ${numFailedTests} failed`);
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
