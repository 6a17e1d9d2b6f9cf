import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

const src = fileURLToPath(new URL('src/', import.meta.url));

export const SOURCE = [
  { find: /^kysely-replica-fallback$/, replacement: `${src}index.ts` },
  { find: /^kysely-replica-fallback\/(.+)$/, replacement: `${src}$1/index.ts` },
];

const RUNTIME = 'test/support/setup/choose-runtime.ts';
const CLUSTERS = 'test/support/setup/start-clusters.ts';
const BUILD = 'test/support/setup/build-package.ts';

const isInContainers = process.env['KYSELY_REPLICA_FALLBACK_TEST_RUNTIME'] === 'testcontainers';

/** Each folder of tests is a project. `.github/CONTRIBUTING.md` says what it needs. */
const projects = [
  project('unit', 'test/unit'),
  {
    test: {
      name: 'types',
      include: [],
      typecheck: { enabled: true, only: true, include: ['test/types/*.test-d.ts'] },
    },
  },
  project('servers', 'test/integration', RUNTIME, CLUSTERS),
  project('documents', 'test/documents', RUNTIME, CLUSTERS, BUILD),
  project('smoke', 'test/smoke', RUNTIME, CLUSTERS, BUILD),
  project('example', 'test/example', RUNTIME, CLUSTERS, BUILD),
  project('page', 'test/page', RUNTIME, CLUSTERS),
  project('mysql', 'test/mysql'),
  project('proofs', 'test/proofs', RUNTIME, CLUSTERS),
  project('checkers', 'test/checkers', RUNTIME),
  project('clean-up', 'test/clean-up', RUNTIME),
  project('package', 'test/package', BUILD),
  project('versions', 'test/versions', BUILD),
];

export default defineConfig({
  test: {
    projects,
    // Each worker has servers of its own.
    maxWorkers: Math.min(availableParallelism(), 4),
    reporters: ['default', './test/support/left-out-reporter.ts'],
  },
});

function project(name: string, folder: string, ...globalSetup: string[]) {
  return {
    // What is tested as others use it is built.
    resolve: { alias: name === 'versions' ? [] : SOURCE },
    test: {
      name,
      include: [`${folder}/**/*.test.ts`],
      globalSetup,
      // These keep all of a machine busy, and few of their reads would be late beside others.
      fileParallelism: !['proofs', 'checkers', 'mysql'].includes(name),
      // These leave a worker as they found it, so that the next file need not load everything again.
      isolate: !['unit', 'servers'].includes(name),
      testTimeout: 30_000,
      hookTimeout: isInContainers ? 120_000 : 30_000, // a cluster of them may take a minute to start
      expect: { poll: { timeout: 20_000 } },
    },
  } satisfies TestProjectInlineConfiguration;
}
