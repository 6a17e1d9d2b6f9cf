import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const src = fileURLToPath(new URL('src/', import.meta.url));
/** Downloads other versions of most things, and runs the build, not the source. */
const VERSIONS = 'test/versions/**';

const SOURCE = [
  { find: /^kysely-replica-fallback$/, replacement: `${src}index.ts` },
  { find: /^kysely-replica-fallback\/(.+)$/, replacement: `${src}$1/index.ts` },
];

export default defineConfig(({ mode }) => ({
  resolve: { alias: mode === 'versions' ? [] : SOURCE },
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    include: ['test/**/*.test.ts'],
    exclude: mode === 'versions' ? [] : [VERSIONS],
    typecheck: { enabled: true, include: ['test/types/*.test-d.ts'] },
    testTimeout: 30_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 20_000 } },
  },
}));
