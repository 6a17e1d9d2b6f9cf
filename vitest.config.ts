import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const src = fileURLToPath(new URL('src/', import.meta.url));
/** Downloads PostgreSQL, some 200 MB of it. */
const VERSIONS = 'test/versions/**';

export default defineConfig(({ mode }) => ({
  resolve: {
    alias: [
      { find: /^kysely-replica-fallback$/, replacement: `${src}index.ts` },
      { find: /^kysely-replica-fallback\/(.+)$/, replacement: `${src}$1/index.ts` },
    ],
  },
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    include: ['test/**/*.test.ts'],
    exclude: mode === 'versions' ? [] : [VERSIONS],
    typecheck: { enabled: true, include: ['test/types/*.test-d.ts'] },
    testTimeout: 30_000,
    hookTimeout: 120_000,
  },
}));
