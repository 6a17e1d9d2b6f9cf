import { fileURLToPath } from 'node:url';
import { brotliCompressSync } from 'node:zlib';
import { rolldown } from 'rolldown';
import { expect, test } from 'vitest';

test('the core is smaller than 6 kB, bundled and compressed, without its dependencies', async () => {
  await using bundle = await rolldown({
    input: fileURLToPath(new URL('../../dist/index.js', import.meta.url)),
    external: ['@opentelemetry/api', 'p-retry'],
  });
  const { output } = await bundle.generate({ minify: true });
  const bytes = brotliCompressSync(output[0].code).length;
  expect(bytes).toBeLessThan(6_000);
  expect(bytes).toBeGreaterThan(3_000); // It is all there.
});
