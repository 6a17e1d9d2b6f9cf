import { execFileSync } from 'node:child_process';
import { startReplicationCluster } from '../../src/testing/index.ts';

/** Builds the package once for the tests that use it as others do, and says which servers the others run on. */
export default async function setup(): Promise<void> {
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
  await using cluster = await startReplicationCluster();
  process.env['KYSELY_REPLICA_FALLBACK_TEST_RUNTIME'] = cluster.runtime;
  process.stdout.write(`Tests run on ${cluster.description}\n`);
}
