import { execFileSync } from 'node:child_process';
import type { TestProject } from 'vitest/node';
import { startReplicationCluster } from '../../src/testing/index.ts';

/** Builds the package once for the tests that use it as others do, and says which servers the others run on. */
export default async function setup({ vitest }: TestProject): Promise<() => void> {
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
  await using cluster = await startReplicationCluster();
  process.env['KYSELY_REPLICA_FALLBACK_TEST_RUNTIME'] = cluster.runtime;
  process.stdout.write(`Tests run on ${cluster.description}\n`);
  return () => sayWhatWasLeftOut(vitest);
}

/** At the end, where nobody overlooks it: the notes of the tests that skipped themselves, and of others, each once. */
function sayWhatWasLeftOut({ state }: TestProject['vitest']): void {
  const notes = new Set<string>();
  for (const module of state.getTestModules()) {
    for (const test of module.children.allTests()) {
      const result = test.result();
      if (result.state === 'skipped' && result.note !== undefined) notes.add(result.note);
      for (const { message } of test.annotations()) notes.add(message);
    }
  }
  for (const note of notes) process.stdout.write(`${note}\n`);
}
